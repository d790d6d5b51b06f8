#include "cli/request.h"

#include <gtest/gtest.h>

namespace weir::cli {
namespace {

using Strings = std::vector<std::string>;

TEST(LineDiff, ShowsChangesWithTwoLinesAround) {
  EXPECT_EQ(LineDiff("a\nb\nc\n", "a\nB\nc\n"), (Strings{"  a", "- b", "+ B", "  c"}));
  EXPECT_EQ(LineDiff("1\n2\n3\n4\n5\n6\n7\n", "1\n2\n3\n4\n5\n6\n7\n8\n"), (Strings{"  … 5 equal lines", "  6", "  7", "+ 8"}));
  EXPECT_EQ(LineDiff("", "a"), Strings{"+ a"});
  EXPECT_EQ(LineDiff("a\nb\nc\nd\n", "b\nd\n"), (Strings{"- a", "  b", "- c", "  d"}));
  EXPECT_TRUE(LineDiff("", "").empty());
  EXPECT_EQ(LineDiff("same\n", "same\n"), Strings{"  … 1 equal line"});
}

TEST(LineDiff, OfMuchIsAReplacement) {
  std::string before, after;
  for (int i = 0; i < 1100; ++i) before += "a" + std::to_string(i) + "\n", after += "b" + std::to_string(i) + "\n";
  const Strings lines = LineDiff(before, after);
  EXPECT_EQ(lines.size(), 2200u);
  EXPECT_EQ(lines.front(), "- a0");
  EXPECT_EQ(lines.back(), "+ b1099");
}

TEST(Answers, OfAFlag) {
  auto answer = ParseAnswerFlag("authz=200 granted access");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->first, "authz");
  EXPECT_EQ(answer->second.http.body, "granted access");
  EXPECT_EQ(ParseAnswerFlag("a=timeout")->second.http.failure, CallFailure::kTimeout);
  EXPECT_TRUE(ParseAnswerFlag("a=never")->second.never);
  EXPECT_EQ(ParseAnswerFlag("a=grpc:5")->second.grpc.size(), 3u) << "metadata, trailers, close";
  EXPECT_EQ(ParseAnswerFlag("a=grpc:0 hi")->second.grpc.size(), 4u) << "and a message";
  for (const char* bad : {"", "a", "=200", "a=", "a=99", "a=600", "a=20", "a=none", "a=grpc:", "a=grpc:17", "a=-200"}) EXPECT_FALSE(ParseAnswerFlag(bad)) << bad;
  for (const char* good : {"a=100", "a=599", "a=grpc:16"}) EXPECT_TRUE(ParseAnswerFlag(good)) << good;
}

TEST(Answers, OfAFile) {
  auto answers = ParseAnswers("a:\n- {status: 200, headers: {X-A: [1, 2]}, trailers: {t: u}}\n- {failure: reset, after: 2s}\nb: {grpc: {messages: [x], status: 3, message: no}}\n", "f");
  ASSERT_TRUE(answers) << answers.error().message;
  ASSERT_EQ(answers->size(), 3u);
  EXPECT_EQ((*answers)[0].second.http.headers, (HeaderList{{":status", "200"}, {"x-a", "1"}, {"x-a", "2"}}));
  EXPECT_EQ((*answers)[1].second.after_ms, 2000u);
  EXPECT_EQ(std::get<GrpcClose>((*answers)[2].second.grpc.back().what).status, GrpcStatus::kInvalidArgument);
  struct Row {
    const char *text, *message;
  };
  for (const Row& row : {Row{"- 1\n", "f:1:1: answers are a mapping"}, Row{"a: []\n", "\"a\" has no answer"}, Row{"a: {}\n", "one of status, failure, never and grpc"},
                         Row{"a: {status: 20}\n", "from 100 to 599"}, Row{"a: {failure: bad}\n", "is one of timeout"}, Row{"a: {status: 200, after: 2}\n", "such as 20ms"},
                         Row{"a: {grpc: {stauts: 1}}\n", "did you mean \"status\"?"}, Row{"a: {never: false}\n", "never is true"}, Row{"a: {status: 200, status: 201}\n", "twice"}}) {
    auto bad = ParseAnswers(row.text, "f");
    ASSERT_FALSE(bad) << row.text;
    EXPECT_NE(bad.error().message.find(row.message), std::string::npos) << bad.error().message;
  }
}

TEST(ReadTrace, SortsLines) {
  RequestReport report;
  ReadTrace({"log info auth: a: b", "auth on_request_headers 4 end -> pause", "call authz GET /a b -> 1", "call x GET / (refused: not_found)", "grpc g p.S/M -> 2",
             "answer 1 200", "close 2 0", "metric hits + 1", "auth local_response 403", "stream local_response 403", "other local_response 500"},
            report);
  ASSERT_EQ(report.logs.size(), 1u);
  EXPECT_EQ(report.logs[0].level + "|" + report.logs[0].plugin + "|" + report.logs[0].text, "info|auth|a: b");
  ASSERT_EQ(report.calls.size(), 3u);
  EXPECT_EQ(report.calls[0].what, "GET /a b");
  EXPECT_EQ(report.calls[0].events, Strings{"answer 200"});
  EXPECT_EQ(report.calls[1].refused, "not_found");
  EXPECT_EQ(report.calls[2].kind, "grpc");
  EXPECT_EQ(report.calls[2].events, Strings{"close 0"});
  EXPECT_EQ(report.effects, Strings{"metric hits + 1"});
  EXPECT_EQ(report.local_by, "auth");
  EXPECT_EQ(report.paused_by, "auth on_request_headers");
}

TEST(RequestHints, SayWhatToTry) {
  RequestReport report;
  EXPECT_TRUE(RequestHints(report).empty());
  const std::string line = "proxy_http_call: upstream \"authz\" is not known here: give it that name, or allow the host (said once)";
  report.logs = {{"warn", "a", line}, {"warn", "b", line}, {"info", "a", ": upstream \""}, {"info", "a", "\" is not known here: upstream \""}};
  report.plugins.resize(2);
  report.plugins[0].name = "ticker";
  report.plugins[0].failed = true;
  report.plugins[0].stats.last_error = "plugin \"ticker\" (t.wasm): proxy_on_context_create (context 2): unreachable";
  report.plugins[1].failed = true;
  report.plugins[1].stats.last_error = "plugin \"b\" (t.wasm): proxy_on_request_headers (context 2): unreachable";
  const Strings hints = RequestHints(report);
  ASSERT_EQ(hints.size(), 2u);
  EXPECT_EQ(hints[0], "--answer 'authz=200 TEXT' answers calls to \"authz\"; --cluster authz=URL sends them to a real one");
  EXPECT_TRUE(hints[1].starts_with("ticker makes no context for a request: ")) << hints[1];
}

TEST(ValueText, IsForPeople) {
  EXPECT_EQ(ValueText({"map_id", int64_t{0}, "request_headers"}), "request_headers");
  EXPECT_EQ(ValueText({"delta", int64_t{-3}, ""}), "-3");
  EXPECT_EQ(ValueText({"value", std::string("a\n\"\x1b"), ""}), "\"a\\n\"\\x1b\"");
  EXPECT_EQ(ValueText({"path", std::string("source\0address", 14), ""}), "\"source.address\"");
  EXPECT_EQ(ValueText({"serialized_headers", std::string("\1\0\0\0\1\0\0\0\2\0\0\0a\0bc\0", 17), ""}), "{a: bc}");
  EXPECT_EQ(ValueText({"serialized_headers", std::string("\1\0\0\0", 4), ""}), "malformed pairs \"\\x01\\x00\\x00\\x00\"");
  EXPECT_NE(ValueText({"body", std::string(1000, 'x'), ""}).find("(1000 bytes)"), std::string::npos);
}

}  // namespace
}  // namespace weir::cli
