#include "trace/record.h"

#include <gtest/gtest.h>

namespace weir::trace {
namespace {

Event Headers(Strings pairs) {
  Event event;
  event.number = 1;
  event.name = "request_headers";
  event.given = {{"request_headers"}};
  event.given[0].insert(event.given[0].end(), pairs.begin(), pairs.end());
  return event;
}

std::string Line(const Event& event) {
  Record record;
  record.events = {event};
  return ToLine(record);
}

TEST(Record, IsOneLineOfJsonWhoseCharactersAreBytes) {
  Event event = Headers({"a", std::string("\"\\\n\0\x7f\xff", 6)});
  event.calls.push_back({{"log", "2", "hi"}, {"yes"}, "x-1"});
  event.result = "pause";
  Record record{"http", "w-1", "w-p-1", "p", "sample", "2", "1", 5, true, {"cookie"}, {{"path", "p.wasm"}}, {event}};
  EXPECT_EQ(ToLine(record),
            "{\"weir_trace\":1,\"kind\":\"http\",\"id\":\"w-1\",\"start\":\"w-p-1\",\"plugin\":\"p\",\"why\":\"sample\",\"stream\":\"2\",\"level\":\"1\","
            "\"time_ns\":5,\"cut\":1,\"redacted\":[\"cookie\"],\"spec\":[[\"path\",\"p.wasm\"]],\"events\":[{\"n\":1,\"on\":\"request_headers\","
            "\"given\":[[\"request_headers\",\"a\",\"\\\"\\\\\\u000a\\u0000\\u007f\\u00ff\"]],\"calls\":[{\"do\":[\"log\",\"2\",\"hi\"],\"answer\":[\"yes\"],\"stream\":\"x-1\"}],"
            "\"result\":\"pause\"}]}\n");
}

TEST(Redaction, TakesValuesByNameOfWhateverLength) {
  const Strings names = {"cookie"};
  Event event = Headers({"Cookie", "a", "cookie", "", "x", "a"});
  Redaction redaction(names);
  redaction.Learn(event);
  redaction.Apply(&event);
  EXPECT_EQ(event.given[0], (Strings{"request_headers", "Cookie", "[redacted]", "cookie", "[redacted]", "x", "a"}));
}

TEST(Redaction, FindsValuesAndTheirPartsElsewhere) {
  const Strings names = {"authorization", "cookie"};
  Event event = Headers({"authorization", "Bearer s3cr3t-token", "cookie", "id=abcdefgh; v=1"});
  event.calls = {{{"log", "2", "saw s3cr3t-token, twice: s3cr3t-token"}, {}, {}},
                 {{"http_call", "authz", "0", "who=abcdefgh", "authorization", "Bearer s3cr3t-token"}, {"1"}, {}},
                 {{"add", "request_headers", "x-copy", "id=abcdefgh; v=1"}, {"yes"}, {}},
                 {{"property", "x"}, {"string", "Bearer s3cr3t-token"}, {}},
                 {{"map", "request_trailers"}, {"cookie", "z", "other", "z"}, {}}};
  event.error = "trap near abcdefgh";
  Redaction redaction(names);
  redaction.Learn(event);
  redaction.Apply(&event);
  const std::string line = Line(event);
  EXPECT_EQ(line.find("s3cr3t"), std::string::npos) << line;
  EXPECT_EQ(line.find("abcdefgh"), std::string::npos) << line;
  EXPECT_EQ(event.calls[0].words[2], "saw [redacted], twice: [redacted]");
  EXPECT_EQ(event.calls[4].answer, (Strings{"cookie", "[redacted]", "other", "z"}));
}

TEST(Redaction, AValueThatIsANameHidesNothing) {
  const Strings names = {"cookie"};
  Event event = Headers({"vary", "cookie", "content-type", "text/plain"});
  Redaction redaction(names);
  redaction.Learn(event);
  const std::string before = Line(event);
  redaction.Apply(&event);
  EXPECT_EQ(Line(event), before);
}

TEST(Redaction, WithoutNamesChangesNothing) {
  const Strings none;
  Event event = Headers({"cookie", "a=bcdefghi"});
  const std::string before = Line(event);
  Redaction redaction(none);
  redaction.Learn(event);
  redaction.Apply(&event);
  EXPECT_EQ(Line(event), before);
}

TEST(Record, KnowsEffectsFromReads) {
  for (const std::string_view word : {"add", "remove", "replace", "replace_body", "local_response", "log", "http_call", "shared_set", "metric_add"}) {
    EXPECT_TRUE(IsEffect(word)) << word;
  }
  for (const std::string_view word : {"property", "clock", "random", "shared_get", "writable", "map"}) EXPECT_FALSE(IsEffect(word)) << word;
}

}  // namespace
}  // namespace weir::trace
