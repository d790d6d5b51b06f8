#include "fuzz/found.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <filesystem>

#include "base/log_text.h"
#include "host/grpc_wire.h"
#include "suite/head.h"
#include "suite/headers.h"
#include "suite/matcher.h"

namespace weir::fuzz {
namespace {

namespace gp = google::protobuf;
using Field = gp::FieldDescriptor;

constexpr size_t kCommentBytesMax = 300, kCommentLinesMax = 24;
constexpr std::pair<std::string_view, std::string_view> kRequest[] = {{":method", "GET"}, {":scheme", "https"}, {":authority", "example.org"}, {":path", "/"}};
constexpr std::pair<std::string_view, std::string_view> kResponse[] = {{":status", "200"}};

std::string Comment(std::string_view text, std::string_view indent) {
  std::string out;
  size_t lines = 0;
  for (size_t begin = 0; begin <= text.size() && lines < kCommentLinesMax; ++lines) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    out += std::string(indent) + "# " + LogText(text.substr(begin, end - begin), kCommentBytesMax) + "\n";
    begin = end + 1;
  }
  return out;
}

std::string CommentOf(const Finding& finding, std::string_view indent) {
  std::string text = finding.fault.detail;
  text += "\nrun " + std::to_string(finding.run);
  if (!finding.reproduced) text += "; it did not fail when it was run again: it depends on something that is no input";
  return Comment(text, indent);
}

// ---- YAML: a mapping for a message, a sequence for a repeated field, as suite/yaml.cc reads it.
std::string Quoted(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (uint8_t(c) < 0x20 || c == 0x7f) {
      out += std::string("\\x") + kDigits[uint8_t(c) >> 4] + kDigits[uint8_t(c) & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}
std::string Scalar(const std::string& text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x80; })) return Quoted(text);
  return "!!binary \"" + EncodeBase64(text) + '"';
}

std::string ScalarOf(const gp::Message& message, const Field& field, int index) {
  std::string text;
  if (field.cpp_type() == Field::CPPTYPE_STRING) {
    const gp::Reflection& reflection = *message.GetReflection();
    return Scalar(index < 0 ? reflection.GetString(message, &field) : reflection.GetRepeatedString(message, &field, index));
  }
  gp::TextFormat::PrintFieldValueToString(message, &field, index, &text);
  return text;
}

/// Messages of scalars alone on one line: {key: "a", value: "b"}.
bool IsFlat(const gp::Message& message) {
  std::vector<const Field*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return std::all_of(fields.begin(), fields.end(), [](const Field* field) { return field->cpp_type() != Field::CPPTYPE_MESSAGE && !field->is_repeated(); });
}
std::string Flat(const gp::Message& message) {
  std::vector<const Field*> fields;
  message.GetReflection()->ListFields(message, &fields);
  std::string out;
  for (const Field* field : fields) out += (out.empty() ? "" : ", ") + field->name() + ": " + ScalarOf(message, *field, -1);
  return "{" + out + "}";
}

/// Its fields, a line or block each. `first`: in place of the indent of the first line.
std::string Block(const gp::Message& message, const std::string& indent, std::string first) {
  const gp::Reflection& reflection = *message.GetReflection();
  std::vector<const Field*> fields;
  reflection.ListFields(message, &fields);
  std::string out;
  for (const Field* field : fields) {
    out += (out.empty() ? first : indent) + field->name() + ":";
    const bool is_message = field->cpp_type() == Field::CPPTYPE_MESSAGE;
    if (!field->is_repeated()) {
      if (!is_message) {
        out += " " + ScalarOf(message, *field, -1) + "\n";
        continue;
      }
      const gp::Message& inner = reflection.GetMessage(message, field);
      out += IsFlat(inner) ? " " + Flat(inner) + "\n" : "\n" + Block(inner, indent + "  ", indent + "  ");
      continue;
    }
    out += "\n";
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (!is_message) {
        out += indent + "- " + ScalarOf(message, *field, i) + "\n";
        continue;
      }
      const gp::Message& inner = reflection.GetRepeatedMessage(message, field, i);
      out += IsFlat(inner) ? indent + "- " + Flat(inner) + "\n" : Block(inner, indent + "  ", indent + "- ");
    }
  }
  return out;
}

// ---- Inputs
Result<void> Head(pb::Invocation* invocation, Direction direction, const std::string& folder) {
  pb::Input* input = invocation->mutable_input();
  std::string text = input->content();
  if (!input->file().empty()) {
    WEIR_TRY(text, suite::ReadBeside(folder, input->file()));
  }
  if (!text.empty()) {
    WEIR_TRY(const HeaderList headers, suite::ParseHead(text, direction));
    input->Clear();
    for (const auto& [name, value] : headers) {
      pb::Header* header = input->add_header();
      header->set_key(name);
      header->set_value(value);
    }
  }
  for (pb::Header& header : *input->mutable_header()) header.set_key(suite::LowerName(header.key()));
  invocation->clear_result();
  return {};
}

void Default(pb::Invocation* headers, std::span<const std::pair<std::string_view, std::string_view>> pairs) {
  for (const auto& [name, value] : pairs) {
    pb::Header* header = headers->mutable_input()->add_header();
    header->set_key(std::string(name));
    header->set_value(std::string(value));
  }
}

Result<pb::Test> InputOf(const pb::Test& given, const std::string& folder) {
  pb::Test test;
  const bool request = given.has_request_headers() || !given.request_body().empty(), response = given.has_response_headers() || !given.response_body().empty();
  if (given.has_request_headers()) {
    *test.mutable_request_headers() = given.request_headers();
    WEIR_TRY_VOID(Head(test.mutable_request_headers(), Direction::kRequest, folder));
  } else if (request || response) {
    Default(test.mutable_request_headers(), kRequest);
  }
  if (given.has_response_headers()) {
    *test.mutable_response_headers() = given.response_headers();
    WEIR_TRY_VOID(Head(test.mutable_response_headers(), Direction::kResponse, folder));
  } else if (response) {
    Default(test.mutable_response_headers(), kResponse);
  }
  *test.mutable_request_body() = given.request_body();
  *test.mutable_response_body() = given.response_body();
  for (auto* bodies : {test.mutable_request_body(), test.mutable_response_body()}) {
    for (pb::Invocation& body : *bodies) {
      body.clear_result();
      if (body.input().file().empty()) continue;
      WEIR_TRY(const std::string bytes, suite::ReadBeside(folder, body.input().file()));
      body.mutable_input()->Clear();
      body.mutable_input()->set_content(bytes);
    }
  }
  if (given.has_request_trailers()) {
    *test.mutable_request_trailers() = given.request_trailers();
    test.mutable_request_trailers()->clear_result();
  }
  if (given.has_response_trailers()) {
    *test.mutable_response_trailers() = given.response_trailers();
    test.mutable_response_trailers()->clear_result();
  }
  *test.mutable_properties() = given.properties();
  *test.mutable_upstream() = given.upstream();
  *test.mutable_shared_data() = given.shared_data();
  test.set_init_advance_ms(given.init_advance_ms());
  *test.mutable_tcp() = given.tcp();
  for (pb::TcpEvent& event : *test.mutable_tcp()) event.clear_result();
  test.set_no_trap(true);
  return test;
}

}  // namespace

Result<std::vector<pb::Test>> Inputs(const suite::SuiteFile& file) {
  std::vector<pb::Test> inputs;
  for (const pb::Test& given : file.suite.test()) {
    auto input = InputOf(given, file.folder);
    if (!input) return Error{ErrorCode::kInvalidArgument, file.path + ": case \"" + given.name() + "\": " + input.error().message};
    inputs.push_back(*std::move(input));
  }
  return inputs;
}

Result<std::vector<pb::Test>> ReadCorpus(const std::string& path) {
  constexpr std::string_view kEndings[] = {".textpb", ".txtpb", ".pbtxt", ".yaml", ".yml"};
  std::error_code fault;
  std::vector<std::string> files = {path};
  if (std::filesystem::is_directory(path, fault)) {
    files.clear();
    for (const auto& entry : std::filesystem::directory_iterator(path, fault)) {
      const std::string name = entry.path().string();
      if (std::any_of(std::begin(kEndings), std::end(kEndings), [&](std::string_view ending) { return name.ends_with(ending); })) files.push_back(name);
    }
    std::sort(files.begin(), files.end());
    if (files.empty()) return Error{ErrorCode::kInvalidArgument, path + ": no suite in it (.textpb, .yaml)"};
  }
  std::vector<pb::Test> all;
  for (const std::string& name : files) {
    WEIR_TRY(const suite::SuiteFile file, suite::ReadSuite(name));
    WEIR_TRY(const std::vector<pb::Test> inputs, Inputs(file));
    all.insert(all.end(), inputs.begin(), inputs.end());
  }
  return all;
}

std::string SuiteOf(const FuzzReport& report, std::string_view command, bool yaml) {
  std::string out = std::string(kMark) + ": each case fails until the plugin is mended. Keep those that are mended in a suite of yours.\n" + Comment(command, "");
  if (yaml) {
    out += "test:\n";
    for (const Finding& finding : report.findings) out += CommentOf(finding, "") + Block(finding.test, "  ", "- ");
    return out;
  }
  gp::TextFormat::Printer printer;
  printer.SetInitialIndentLevel(1);
  for (const Finding& finding : report.findings) {
    std::string text;
    printer.PrintToString(finding.test, &text);
    out += "\n" + CommentOf(finding, "") + "test {\n" + text + "}\n";
  }
  return out;
}

}  // namespace weir::fuzz
