// The table of properties: paths, encodings, the generated document.
#include "proxy_wasm/properties.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace weir::proxy_wasm {
namespace {

using namespace std::literals;

TEST(Properties, SegmentsByNulOrDotWithATrailingOne) {
  for (std::string_view path : {"request\0id"sv, "request.id"sv, "request\0id\0"sv, "request.id."sv, "request.id\0"sv}) {
    const PropertyPath parsed = ParsePropertyPath(path);
    ASSERT_NE(parsed.row, nullptr);
    EXPECT_EQ(parsed.row->property, Property::kRequestId);
  }
  for (std::string_view path : {"request.id.."sv, ".request.id"sv, "request..id"sv, "request.ID"sv, "\0"sv, "."sv, ""sv})
    EXPECT_EQ(ParsePropertyPath(path).row, nullptr) << path;
}

TEST(Properties, EveryRowOfTheTableIsFoundByItsPath) {
  std::set<std::string_view> paths;
  for (const PropertyRow& row : kProperties) {
    EXPECT_EQ(&RowOf(row.property), &row) << row.path;
    EXPECT_EQ(ParsePropertyPath(row.path).row, &row) << row.path;
    EXPECT_TRUE(paths.insert(row.path).second) << row.path;
    const std::string xds = "xds." + std::string(row.path);
    EXPECT_EQ(ParsePropertyPath(xds).row, (row.where & kAlsoXds) != 0 ? &row : nullptr) << xds;
  }
}

// proxy-wasm/spec v0.2.1, "Well-known properties"; the others of kProperties are Envoy's attributes.
TEST(Properties, TheTableHasTheSpecificationsList) {
  for (std::string_view path :
       {"plugin_name", "plugin_root_id", "plugin_vm_id", "connection.id", "source.address", "source.port", "destination.address",
        "destination.port", "connection.tls_version", "connection.requested_server_name", "connection.mtls",
        "connection.subject_local_certificate", "connection.subject_peer_certificate", "connection.dns_san_local_certificate",
        "connection.dns_san_peer_certificate", "connection.uri_san_local_certificate", "connection.uri_san_peer_certificate",
        "connection.sha256_peer_certificate_digest", "upstream.address", "upstream.port", "upstream.local_address",
        "upstream.local_port", "upstream.tls_version", "upstream.subject_local_certificate", "upstream.subject_peer_certificate",
        "upstream.dns_san_local_certificate", "upstream.dns_san_peer_certificate", "upstream.uri_san_local_certificate",
        "upstream.uri_san_peer_certificate", "upstream.sha256_peer_certificate_digest", "request.protocol", "request.time",
        "request.duration", "request.size", "request.total_size", "response.size", "response.total_size"}) {
    const PropertyPath parsed = ParsePropertyPath(path);
    ASSERT_NE(parsed.row, nullptr) << path;
    EXPECT_NE(parsed.row->where & kInNginx, 0) << path;
    EXPECT_NE(parsed.row->where & kInMemory, 0) << path;
  }
}

TEST(Properties, MapsByNameKeepTheDotsOfTheName) {
  const PropertyPath header = ParsePropertyPath("response\0headers\0X-A.b"sv);
  ASSERT_NE(header.row, nullptr);
  EXPECT_EQ(header.row->property, Property::kResponseHeaders);
  EXPECT_EQ(header.name, "x-a.b");
  const PropertyPath metadata = ParsePropertyPath("xds\0node\0metadata\0ISTIO.Version\0"sv);
  ASSERT_NE(metadata.row, nullptr);
  EXPECT_EQ(metadata.row->property, Property::kNodeMetadata);
  EXPECT_EQ(metadata.name, "ISTIO.Version") << "only header names have no case";
  EXPECT_EQ(ParsePropertyPath("request.headers").name, "");
  EXPECT_EQ(ParsePropertyPath("request.headersx").row, nullptr);
  EXPECT_EQ(ParsePropertyPath("request.path.x").row, nullptr) << "not a map";
  EXPECT_EQ(ParsePropertyPath("my\0own"sv).name, "my.own");
}

TEST(Properties, ValuesAsEnvoyWritesThem) {
  EXPECT_EQ(EncodeProperty(std::string("a\0b", 3)), "a\0b"sv);
  EXPECT_EQ(EncodeProperty(int64_t(258)), "\2\1\0\0\0\0\0\0"sv);
  EXPECT_EQ(EncodeProperty(int64_t(-1)), "\xff\xff\xff\xff\xff\xff\xff\xff"sv);
  EXPECT_EQ(EncodeProperty(true), "\1"sv);
  EXPECT_EQ(EncodeProperty(false), "\0"sv);
}

// Bytes as protoc --encode=envoy.config.core.v3.Node writes them.
TEST(Properties, ANodeIsAProtocolBuffer) {
  EXPECT_EQ(EncodeNode({}), "");
  EXPECT_EQ(EncodeNode({.id = "a", .cluster = "bc", .region = "", .zone = "", .sub_zone = "", .metadata = {}}), "\x0a\1a\x12\2bc"sv);
  EXPECT_EQ(EncodeNode({.id = "", .cluster = "", .region = "eu", .zone = "", .sub_zone = "s", .metadata = {}}),
            "\x22\7\x0a\2eu\x1a\1s"sv);
  EXPECT_EQ(EncodeNode({.id = "", .cluster = "", .region = "", .zone = "", .sub_zone = "", .metadata = {{"K", "v"}}}),
            "\x1a\x0a\x0a\x08\x0a\1K\x12\3\x1a\1v"sv);
  const std::string long_id(300, 'x');  // a length of two bytes
  EXPECT_EQ(EncodeNode({.id = long_id, .cluster = "", .region = "", .zone = "", .sub_zone = "", .metadata = {}}),
            "\x0a\xac\2" + long_id);
}

// WEIR_UPDATE_DOCS=1 writes it. The working directory of tests is the source tree.
TEST(Properties, TheDocumentIsCurrent) {
  const char* const path = "docs/properties.md";
  if (std::getenv("WEIR_UPDATE_DOCS") != nullptr) std::ofstream(path) << PropertiesDocument();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), PropertiesDocument()) << "WEIR_UPDATE_DOCS=1 writes it anew";
}

}  // namespace
}  // namespace weir::proxy_wasm
