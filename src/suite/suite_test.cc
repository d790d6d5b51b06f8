// Heads, bodies, files: what both hosts of a case are given.
#include <gtest/gtest.h>

#include "suite/check.h"
#include "suite/head.h"
#include "suite/headers.h"
#include "suite/matcher.h"
#include "suite/read.h"
#include "suite/run.h"

namespace weir::suite {
namespace {

/// "name=value" joined by blanks, or the error.
std::string Shown(const Result<HeaderList>& head) {
  if (!head) return head.error().message;
  std::string all;
  for (const auto& [key, value] : *head) all += (all.empty() ? "" : " ") + key + "=" + value;
  return all;
}
std::string Request(std::string_view target) { return Shown(ParseHead("GET " + std::string(target) + " HTTP/1.1", Direction::kRequest)); }

TEST(Head, OriginForm) {
  EXPECT_EQ(Request("/"), ":method=GET :path=/");
  EXPECT_EQ(Request("/a/b?c=d&e"), ":method=GET :path=/a/b?c=d&e");
  EXPECT_EQ(Request("/%2Fa?b#"), "HTTP/1 head: the target is a URL, or a path as a browser would send it: \"/%2Fa?b#\"");
  for (const char* target : {"*", "a", "//a", "/a/../b", "/./", "/a\\b", "/a/%2e%2e/b", "/\"", "/\x80"})
    EXPECT_NE(Request(target).find("HTTP/1 head: the target"), std::string::npos) << target;
}

TEST(Head, AbsoluteForm) {
  EXPECT_EQ(Request("http://h"), ":method=GET :scheme=http :path=/ :authority=h");
  EXPECT_EQ(Request("HTTPS://H.Example:443/../a/./b/..?q=%20#f"), ":method=GET :scheme=https :path=/a/?q=%20 :authority=h.example");
  EXPECT_EQ(Request("http://u:p@h:8080?x"), ":method=GET :scheme=http :path=/?x :authority=h:8080");
  EXPECT_EQ(Request("http://[::1]:81/a\\b"), ":method=GET :scheme=http :path=/a/b :authority=[::1]:81");
  for (const char* target : {"http://", "http://h:x/", "http://h:70000/", "ftp://h/"}) EXPECT_NE(Request(target).find("HTTP/1 head: "), std::string::npos) << target;
}

TEST(Head, HostBecomesTheAuthorityOnce) {
  EXPECT_EQ(Shown(ParseHead("GET / HTTP/1.1\nHost: a\nX: 1", Direction::kRequest)), ":method=GET :path=/ :authority=a x=1");
  EXPECT_EQ(Shown(ParseHead("GET http://b/ HTTP/1.1\nHost: a", Direction::kRequest)), ":method=GET :scheme=http :path=/ :authority=b");
  EXPECT_EQ(Shown(ParseHead("GET / HTTP/1.1\nHost:", Direction::kRequest)), ":method=GET :path=/ host=");
}

TEST(Head, LinesAndFolding) {
  EXPECT_EQ(Shown(ParseHead("HTTP/1.1 204 No Content\r\nA:  b  \r\nB: c\n d\n\nE: never", Direction::kResponse)), ":status=204 a=b b=c d");
  EXPECT_EQ(Shown(ParseHead("HTTP/1.1 204", Direction::kResponse)), ":status=204");
  for (const char* text : {"", "HTTP/1.1", "HTTP/1.1 20 x", "HTTP/1.1 abc x", "200 OK", "HTTP/1.1 200 OK\nno colon", "HTTP/1.1 200 OK\n: x", "HTTP/1.1 200 OK\n x: y", "HTTP/1.1 200 OK\nA B: c"})
    EXPECT_FALSE(ParseHead(text, Direction::kResponse)) << text;
  for (const char* text : {"", "GET", "GET /", "GET / FTP/1", "GET / HTTP/1.1 x"}) EXPECT_FALSE(ParseHead(text, Direction::kRequest)) << text;
}

TEST(Headers, FoldAndKeepTheFirstSpelling) {
  FoldedHeaders headers;
  headers.Add("b", "1");
  headers.Add("A", "");
  headers.Add("a", "2");
  headers.Add("B", "3");
  EXPECT_EQ(headers.List(), (HeaderList{{"A", "2"}, {"b", "1, 3"}}));
  headers.Set("B", "4");
  headers.Remove("a");
  headers.Remove("none");
  EXPECT_EQ(headers.List(), (HeaderList{{"b", "4"}}));
}

using Pieces = std::vector<std::string>;
TEST(Cut, Counted) {
  EXPECT_EQ(Cut("1234567", {Chunking::Kind::kCount, 3}), (Pieces{"12", "34", "567"}));
  EXPECT_EQ(Cut("1234", {Chunking::Kind::kCount, 2}), (Pieces{"12", "34"}));
  EXPECT_EQ(Cut("12", {Chunking::Kind::kCount, 3}), (Pieces{"", "", "12"}));
  EXPECT_EQ(Cut("12", {Chunking::Kind::kCount, 1}), (Pieces{"12"}));
  EXPECT_EQ(Cut("", {Chunking::Kind::kCount, 3}), (Pieces{""}));
}
TEST(Cut, Sized) {
  EXPECT_EQ(Cut("12345", {Chunking::Kind::kSize, 2}), (Pieces{"12", "34", "5"}));
  EXPECT_EQ(Cut("1234", {Chunking::Kind::kSize, 2}), (Pieces{"12", "34"}));
  EXPECT_EQ(Cut("1234", {Chunking::Kind::kSize, 9}), (Pieces{"1234"}));
  EXPECT_EQ(Cut("1234", {}), (Pieces{"1234"}));
}
TEST(Cut, AtSizes) {
  const auto cut = [](const std::string& body, std::initializer_list<uint32_t> sizes) { return CutAt(body, {sizes.begin(), sizes.end()}); };
  EXPECT_EQ(cut("12345", {}), (Pieces{"12345"}));
  EXPECT_EQ(cut("12345", {2}), (Pieces{"12", "345"}));
  EXPECT_EQ(cut("12345", {2, 3}), (Pieces{"12", "345"})) << "nothing is left";
  EXPECT_EQ(cut("12345", {5, 0}), (Pieces{"12345", ""})) << "the end by itself";
  EXPECT_EQ(cut("12345", {1, 0, 9}), (Pieces{"1", "", "2345"}));
  EXPECT_EQ(cut("", {}), (Pieces{""}));
  EXPECT_EQ(cut("", {3}), (Pieces{""}));
}
TEST(Cut, RandomLosesNothingAndRepeats) {
  std::string body(10'000, 'x');
  for (size_t i = 0; i < body.size(); ++i) body[i] = char('a' + i % 26);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Pieces pieces = Cut(body, {Chunking::Kind::kRandom, seed});
    std::string all;
    for (const std::string& piece : pieces) {
      EXPECT_FALSE(piece.empty());
      all += piece;
    }
    EXPECT_EQ(all, body);
    EXPECT_GT(pieces.size(), 1u);
    EXPECT_EQ(pieces, Cut(body, {Chunking::Kind::kRandom, seed}));
  }
}

TEST(Read, LinesOfCases) {
  const auto text = ParseText("# x\ntest { name: 'a' }\n\ntest {\n name: 'b' }", "s.textpb");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(text->lines, (std::vector<int>{2, 4}));
  const auto yaml = ParseYaml("env: {}\ntest:\n- name: a\n\n- name: b\n", "s.yaml");
  ASSERT_TRUE(yaml) << yaml.error().message;
  EXPECT_EQ(yaml->lines, (std::vector<int>{3, 5}));
}
TEST(Read, BothFormsGiveTheSame) {
  const auto text = ParseText(
      "env { log_level: WARN time_secs: 5 } test { name: 'a' num_chunks: 2 properties { path: 'p' value: '\\001' } "
      "request_headers { result { immediate { http_status: 0 } log { invert: true regex: 'x' } } } request_body { } request_body { input { content: '7' } } }",
      "s");
  const auto yaml = ParseYaml(
      "env: {log_level: WARN, time_secs: 5}\ntest:\n- name: a\n  num_chunks: 2\n  properties: [{path: p, value: \"\\x01\"}]\n"
      "  request_headers: {result: {immediate: {http_status: 0}, log: [{invert: true, regex: x}]}}\n  request_body: [{}, {input: {content: 7}}]\n",
      "s");
  ASSERT_TRUE(text) << text.error().message;
  ASSERT_TRUE(yaml) << yaml.error().message;
  EXPECT_EQ(text->suite.SerializeAsString(), yaml->suite.SerializeAsString());
}
TEST(Read, BytesInYaml) {
  const auto yaml = ParseYaml("test: [{request_body: [{input: {content: !!binary \"/wBh\"}}]}]", "s.yaml");
  ASSERT_TRUE(yaml) << yaml.error().message;
  EXPECT_EQ(yaml->suite.test(0).request_body(0).input().content(), std::string("\xff\0a", 3));
  const auto bad = ParseYaml("test: [{request_body: [{input: {content: !!binary \"?\"}}]}]", "s.yaml");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("base64"), std::string::npos) << bad.error().message;
}
TEST(Read, OwnFieldsAreFoundAtEveryDepth) {
  const auto uses = [](const std::string& fields) {
    const auto file = ParseText("test { " + fields + " }", "s");
    EXPECT_TRUE(file) << file.error().message;
    return UsesExtensions(file->suite.test(0));
  };
  EXPECT_FALSE(uses("name: 'a' request_body { result { log { exact: '' } } }"));
  EXPECT_TRUE(uses("plugin { }"));
  EXPECT_TRUE(uses("no_trap: true"));
  EXPECT_TRUE(uses("request_body { } request_body { advance_ms: 1 }"));
  EXPECT_TRUE(uses("response_headers { result { paused: false } }"));
  EXPECT_TRUE(uses("stream_destroy { metric { } }"));
}

pb::StringMatcher Regex(const std::string& regex) {
  pb::StringMatcher source;
  source.set_regex(regex);
  return source;
}
TEST(Matching, WholeTextAndInvert) {
  const auto matcher = Matcher::Create(Regex("a+"), "");
  ASSERT_TRUE(matcher);
  EXPECT_TRUE(matcher->MatchesOne("aaa"));
  EXPECT_FALSE(matcher->MatchesOne("aab"));
  pb::StringMatcher inverted = Regex("a+");
  inverted.set_invert(true);
  const auto none = Matcher::Create(inverted, "");
  ASSERT_TRUE(none);
  const std::string texts[] = {"b", "a"};
  EXPECT_FALSE(none->Matches(texts));
  EXPECT_TRUE(none->Matches(std::span(texts, 1)));
  EXPECT_TRUE(none->Matches({}));
  EXPECT_FALSE(matcher->Matches({}));
}

TEST(Messages, DifferenceShowsWhereTheyPart) {
  const std::string difference = Difference("one\ntwo", "one\ntow");
  EXPECT_NE(difference.find("byte 5 (line 2): 7 bytes expected, 7 there"), std::string::npos) << difference;
  EXPECT_NE(Difference(std::string(200, 'x') + "a", std::string(200, 'x') + "b").find("- …\"" + std::string(40, 'x') + "a\""), std::string::npos);
  EXPECT_EQ(Quoted(std::string("a\0\x7f\n\"\\", 6)), "\"a\\x00\\x7f\\n\\\"\\\\\"");
}

}  // namespace
}  // namespace weir::suite
