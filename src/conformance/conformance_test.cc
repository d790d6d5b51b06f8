// The format and its errors; that the suite leaves nothing out; the matrix of docs/conformance.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "conformance/coverage.h"
#include "conformance/guest.h"
#include "conformance/judge.h"
#include "conformance/runner.h"
#include "conformance/suite.h"
#include "weir/engine.h"

namespace weir::conformance {
namespace {

constexpr std::string_view kName = "http-fields/x";

std::string ErrorOf(std::string_view text, std::string_view name = kName) {
  auto parsed = ParseCase(text, name);
  return parsed ? "" : parsed.error().message;
}

TEST(Case, ErrorsNameFileAndLine) {
  struct Bad {
    std::string_view text, message;
  };
  constexpr Bad kBad[] = {
      {"", "http-fields/x.case:0: it is empty"},
      {"proxy_on_tick", ":1: the first line must be \"about TEXT\""},
      {"about a\nproxy_on_tock", ":2: \"proxy_on_tock\" is no line of a case and no callback"},
      {"about a\nproxy_on_tick\n  proxy_logg() -> OK", ":3: no host function \"proxy_logg\""},
      {"about a\nproxy_on_tick\n  proxy_log(INFO) -> OK", ":3: too few arguments: \"message_data\" is missing"},
      {"about a\nproxy_on_tick\n  proxy_log(INFO, \"x\", 3) -> OK", ":3: too many arguments"},
      {"about a\nproxy_on_tick\n  proxy_log(INFO, \"x) -> OK", ":3: wants a string in quotes here"},
      {"about a\nproxy_on_tick\n  proxy_log(INFO, \"x\")", ":3: wants \"-> STATUS\" behind the call"},
      {"about a\nproxy_on_tick\n  proxy_log(NOISE, \"x\") -> OK", ":3: \"NOISE\" is no number"},
      {"about a\nproxy_on_tick\n  proxy_log(level=1, \"x\") -> OK", ":3: it has no argument \"level\""},
      {"about a\nproxy_on_tick\n  proxy_log(INFO, \"x\"...) -> OK", ":3: only what is expected may end with ..."},
      {"about a\nproxy_on_tick(1, 2)", ":2: proxy_on_tick has 1 arguments"},
      {"about a\nproxy_on_tick\n  return 1\n  trap", ":4: nothing comes behind return"},
      {"about a\nexpect-metric x", ":2: expect-metric wants NAME{LABELS} VALUE"},
      {"about a\nabi 0.3.0", ":2: abi wants 0.1.0, 0.2.0 or 0.2.1"},
      {"about a\nnginx no", ":2: nginx wants: no (the reason)"},
      {"about a\nplugin q\nplugin q", ":3: plugin wants a name that is not there yet"},
      {"about a\nplugin q on_error=maybe", ":2: unknown option or value"},
      {"about a\nabi 0.2.1\nproxy_on_tick\n  proxy_get_configuration() -> OK", ":4: one of its functions is not of a version"},
      {"about a\nrequest GET /\n", ":2: no expect-client for the request of line 2"},
  };
  for (const Bad& bad : kBad) EXPECT_NE(ErrorOf(bad.text).find(bad.message), std::string::npos) << bad.text << "\n" << ErrorOf(bad.text);
  EXPECT_NE(ErrorOf("about a\nproxy_on_tick", "nowhere/x").find("is no heading of the specification"), std::string::npos);
}

std::vector<std::string> Play(std::string_view text) {
  auto parsed = ParseCase(text, kName);
  if (!parsed) return {parsed.error().message};
  auto runner = Runner::Create();
  if (!runner) return {runner.error().message};
  return (*runner)->Play(RunsOf(*parsed).back());
}

// A suite that cannot fail shows nothing: each kind of expectation, wrong.
TEST(Runner, SaysWhatIsNotAsExpected) {
  const std::string end = "\nrequest GET /\nheader x-a: 1\nexpect-client 200";
  auto first = [&](const std::string& text) {
    const auto problems = Play(text);
    return problems.empty() ? std::string("(passed)") : problems[0];
  };
  const std::string get = "about a\nproxy_on_request_headers\n  proxy_get_header_map_value(HTTP_REQUEST_HEADERS, \"x-a\") -> ";
  EXPECT_EQ(first(get + "OK \"1\"" + end), "(passed)");
  EXPECT_EQ(first(get + "OK \"2\"" + end),
            "line 3\n  expected  3 proxy_get_header_map_value -> OK \"2\"\n  got       3 proxy_get_header_map_value -> OK \"1\"");
  EXPECT_NE(first(get + "NOT_FOUND" + end), "(passed)");
  EXPECT_NE(first(get + "!OK" + end), "(passed)");
  EXPECT_EQ(first(get + "OK \"\"..." + end), "(passed)");
  EXPECT_EQ(first(get + "OK \"1\"..." + end), "(passed)");
  EXPECT_NE(first(get + "OK \"2\"..." + end), "(passed)");
  EXPECT_NE(first(get + "OK \"11\"..." + end), "(passed)");
  EXPECT_NE(first(get + "OK {\"1\": \"2\", ...}" + end), "(passed)");
  EXPECT_NE(first("about a\nproxy_on_request_headers(_, 99, _)" + end), "(passed)");
  EXPECT_NE(first("about a\nproxy_on_tick" + end), "(passed)");
  const std::string metric = "about a\nproxy_on_request_headers" + end + "\nexpect-metric weir_plugin_streams_total{plugin=\"p\"} ";
  EXPECT_EQ(first(metric + "1"), "(passed)");
  EXPECT_EQ(first(metric + "2"), "metric of line 6: wanted weir_plugin_streams_total{plugin=\"p\"} 2, got weir_plugin_streams_total{plugin=\"p\"} 1");
  EXPECT_NE(first("about a\nexports proxy_on_request_headers" + end), "(passed)");
  EXPECT_NE(first("about a\nproxy_on_response_headers\nproxy_on_request_headers" + end), "(passed)");
  EXPECT_NE(first("about a\nexpect-load anything\nproxy_on_request_headers" + end), "(passed)");
  EXPECT_NE(first("about a\nproxy_on_request_headers" + end + "\nheader x-none: 1"), "(passed)");
}

TEST(Transcript, ValuesAreWrittenAsTheGuestWritesThem) {
  EXPECT_EQ(Shown("a\"b\\c\n\x7f"), "\"a\\x22b\\x5cc\\x0a\\x7f\"");
  const auto problems = Play("about a\nproxy_on_request_headers\n"
                             "  proxy_set_shared_data(\"k\", \"\\x00\\xff\\\"\\\\\", 0) -> OK\n  proxy_get_shared_data(\"k\") -> OK \"\\x00\\xff\\\"\\\\\" $cas\n"
                             "  proxy_set_shared_data(\"k\", \"v\"*301, $cas) -> OK\n  proxy_get_shared_data(\"k\") -> OK \"v\"*301\n"
                             "request GET /\nexpect-client 200");
  EXPECT_TRUE(problems.empty()) << problems[0];
}

TEST(Suite, NamesMatchPartsAndPatterns) {
  EXPECT_TRUE(NameMatches("http-fields/case", "fields"));
  EXPECT_TRUE(NameMatches("http-fields/case", ""));
  EXPECT_TRUE(NameMatches("http-fields/case", "http-*/c?se"));
  EXPECT_FALSE(NameMatches("http-fields/case", "http-*/c?s"));
}

std::string Slurp(const char* path) {
  auto text = ReadFile(path);
  return text ? *text : "";
}

// The working directory of tests is the source tree.
TEST(Suite, LeavesNothingOut) {
  const auto suite = LoadSuite("");
  ASSERT_TRUE(suite) << suite.error().message;
  for (const std::string& gap : Gaps(*suite, Slurp("docs/proxy-wasm.md"))) ADD_FAILURE() << gap;
}

TEST(Suite, NoticesWhatIsLeftOut) {
  const auto suite = LoadSuite("");
  ASSERT_TRUE(suite);
  auto has = [&](const std::vector<std::string>& gaps, std::string_view text) {
    return std::any_of(gaps.begin(), gaps.end(), [&](const std::string& gap) { return gap.find(text) != gap.npos; });
  };
  const std::string document = Slurp("docs/proxy-wasm.md");
  EXPECT_TRUE(has(Gaps(*suite, document + "\n| corner | Weir |\n|---|---|\n| a new row | is so |\n"), "a row without a rule in brackets: | a new row"));
  EXPECT_TRUE(has(Gaps(*suite, document + "\n| corner | Weir |\n|---|---|\n| a new row [new.row] | is so |\n"), "no case shows the rule [new.row]"));
  // Each of these is needed: without it something is missing.
  for (const std::string_view name : {"headers.missing-key", "tcp.full", "statuses.said"}) {
    std::vector<Case> without;
    for (const Case& one : *suite)
      if (std::find(one.rules.begin(), one.rules.end(), name) == one.rules.end()) without.push_back(one);
    EXPECT_TRUE(has(Gaps(without, document), "no case shows the rule [" + std::string(name) + "]"));
  }
  std::vector<Case> lenient = *suite;
  for (Case& one : lenient) one.strict = false;
  EXPECT_TRUE(has(Gaps(lenient, document), "no case shows the rule [headers.case] in strict with ABI 0.1.0, 0.2.0, 0.2.1"));
  const std::vector<Case> few(suite->begin(), suite->begin() + 10);
  EXPECT_GT(Gaps(few, "[some.rule]").size(), 50u);
}

// WEIR_UPDATE_DOCS=1 writes the part behind the marker anew.
TEST(Suite, TheMatrixOfTheDocumentIsCurrent) {
  const auto suite = LoadSuite("");
  ASSERT_TRUE(suite);
  const char* const path = "docs/conformance.md";
  constexpr std::string_view kMarker = "## The matrix\n";
  std::string text = Slurp(path);
  const size_t at = text.find(kMarker);
  ASSERT_NE(at, text.npos);
  const std::string wanted = text.substr(0, at + kMarker.size()) + "\nWritten by `WEIR_UPDATE_DOCS=1 build/bin/conformance_test`, of `weir conformance --matrix`.\n\n" + Matrix(*suite);
  if (std::getenv("WEIR_UPDATE_DOCS") != nullptr) std::ofstream(path) << wanted, text = wanted;
  EXPECT_EQ(text, wanted) << "WEIR_UPDATE_DOCS=1 writes it anew";
}

}  // namespace
}  // namespace weir::conformance
