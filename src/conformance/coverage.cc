#include "conformance/coverage.h"

#include <algorithm>
#include <map>
#include <set>

#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/host_functions.h"
#include "proxy_wasm/statuses.h"

namespace weir::conformance {
namespace {

using proxy_wasm::Status;
using enum proxy_wasm::Status;

/// What a function can answer: the specification's list, and what docs/proxy-wasm.md adds. INTERNAL_FAILURE inside of the
/// allocator is every function's, and has its own rule.
struct Statuses {
  std::string_view function;
  std::vector<Status> statuses;
};
const std::vector<Statuses>& Table() {
  static const std::vector<Statuses> table = {
      {"proxy_done", {kOk, kNotFound}},
      {"proxy_set_effective_context", {kOk, kBadArgument}},
      {"proxy_get_configuration", {kOk, kInvalidMemoryAccess}},
      {"proxy_log", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_get_log_level", {kOk, kInvalidMemoryAccess}},
      {"proxy_get_current_time_nanoseconds", {kOk, kInvalidMemoryAccess}},
      {"proxy_set_tick_period_milliseconds", {kOk}},
      {"proxy_set_buffer_bytes", {kOk, kNotFound, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_get_buffer_bytes", {kOk, kNotFound, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_get_buffer_status", {kOk, kNotFound, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_get_header_map_size", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_get_header_map_pairs", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_set_header_map_pairs", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_get_header_map_value", {kOk, kNotFound, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_add_header_map_value", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_replace_header_map_value", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_remove_header_map_value", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_continue_stream", {kOk, kBadArgument, kUnimplemented}},
      {"proxy_close_stream", {kOk, kBadArgument}},
      {"proxy_get_status", {kOk, kInvalidMemoryAccess}},
      {"proxy_send_local_response", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_continue_request", {kOk, kBadArgument}},
      {"proxy_continue_response", {kOk, kBadArgument}},
      {"proxy_clear_route_cache", {kOk, kBadArgument}},
      {"proxy_http_call", {kOk, kBadArgument, kInternalFailure, kInvalidMemoryAccess}},
      {"proxy_dispatch_http_call", {kOk, kBadArgument, kInternalFailure, kInvalidMemoryAccess}},
      {"proxy_grpc_call", {kOk, kBadArgument, kParseFailure, kInternalFailure, kInvalidMemoryAccess}},
      {"proxy_grpc_stream", {kOk, kBadArgument, kParseFailure, kInternalFailure, kInvalidMemoryAccess}},
      {"proxy_grpc_send", {kOk, kNotFound, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_grpc_cancel", {kOk, kNotFound, kBadArgument}},
      {"proxy_grpc_close", {kOk, kNotFound, kBadArgument}},
      {"proxy_set_shared_data", {kOk, kCasMismatch, kInvalidMemoryAccess}},
      {"proxy_get_shared_data", {kOk, kNotFound, kInvalidMemoryAccess}},
      {"proxy_register_shared_queue", {kOk, kInternalFailure, kInvalidMemoryAccess}},
      {"proxy_resolve_shared_queue", {kOk, kNotFound, kInvalidMemoryAccess}},
      {"proxy_enqueue_shared_queue", {kOk, kNotFound, kInvalidMemoryAccess}},
      {"proxy_dequeue_shared_queue", {kOk, kNotFound, kEmpty, kInvalidMemoryAccess}},
      {"proxy_define_metric", {kOk, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_record_metric", {kOk, kNotFound}},
      {"proxy_increment_metric", {kOk, kNotFound, kBadArgument}},
      {"proxy_get_metric", {kOk, kNotFound, kBadArgument, kInvalidMemoryAccess}},
      {"proxy_get_property", {kOk, kNotFound, kSerializationFailure, kInvalidMemoryAccess}},
      {"proxy_set_property", {kOk, kNotFound, kInvalidMemoryAccess}},
      {"proxy_call_foreign_function", {kOk, kNotFound, kBadArgument, kInternalFailure, kInvalidMemoryAccess}},
      {"emscripten_notify_memory_growth", {}},
  };
  return table;
}
const std::vector<Status>* StatusesOf(std::string_view function) {
  for (const Statuses& row : Table())
    if (row.function == function) return &row.statuses;
  return nullptr;
}

/// What the cases show of one function or callback.
struct Seen {
  uint8_t versions = 0;
  std::map<int64_t, size_t> strict, lenient;  ///< cases by status
  bool no_result = false;
  std::set<std::string> phases;
  size_t cases = 0, nginx = 0;
};

std::string Key(const abi::HostFunction& row) { return std::string(row.name) + (row.results.empty() ? " ()" : ""); }

/// By Key(), and callbacks by name.
std::map<std::string, Seen> Look(const std::vector<Case>& cases) {
  std::map<std::string, Seen> all;
  for (const Case& one : cases) {
    std::set<std::string> here;
    std::set<std::pair<std::string, int64_t>> strict, lenient;
    for (const Block& block : one.blocks) {
      here.insert(block.function);
      for (const Step& step : block.steps) {
        if (step.kind != Step::Kind::kCall) continue;
        const std::string key = Key(*step.row);
        here.insert(key);
        Seen& shown = all[key];
        shown.phases.insert(block.function);
        shown.no_result = shown.no_result || step.row->results.empty();
        using Kind = Value::Kind;
        if (one.strict && step.strict.status.kind == Kind::kNumber) strict.emplace(key, step.strict.status.number);
        if (one.lenient && step.lenient.status.kind == Kind::kNumber) lenient.emplace(key, step.lenient.status.number);
      }
    }
    for (const CasePlugin& plugin : one.plugins) here.insert(plugin.exports.begin(), plugin.exports.end());
    for (const std::string& key : here) {
      Seen& shown = all[key];
      shown.versions |= one.versions;
      ++shown.cases;
      shown.nginx += one.not_nginx.empty();
    }
    for (const auto& [key, status] : strict) ++all[key].strict[status];
    for (const auto& [key, status] : lenient) ++all[key].lenient[status];
  }
  return all;
}

/// Rules that a document names in brackets: [headers.case].
std::set<std::string> RulesOf(std::string_view document) {
  std::set<std::string> rules;
  for (size_t at = document.find('['); at != document.npos; at = document.find('[', at + 1)) {
    const size_t end = std::min(document.find(']', at), document.size());
    const std::string_view rule = document.substr(at + 1, end - at - 1);
    const bool plain = rule.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") == rule.npos;
    const size_t dot = rule.find('.');
    if (plain && dot != rule.npos && dot > 0 && dot + 1 < rule.size() && (rule[0] < '0' || rule[0] > '9')) rules.emplace(rule);
  }
  return rules;
}

/// Rules that are not of every version of the ABI, or of one mode of statuses. All others have cases of each.
struct Partial {
  std::string_view rule;
  uint8_t versions;
  bool strict = true;
};
constexpr Partial kPartial[] = {
    {"abi.configuration", proxy_wasm::kOnly010},  // the function is of 0.1.0 alone, and so is what its callbacks lack
    {"abi.end-of-stream", proxy_wasm::kOnly010},
    {"tcp.resume", proxy_wasm::kOnly010},
    {"bodies.close-stream", proxy_wasm::kSince020},  // proxy_close_stream is not of 0.1.0
    {"tcp.close", proxy_wasm::kSince020},
    {"load.marker", proxy_wasm::kSince021},  // without a marker, or with all of them
    {"statuses.said", proxy_wasm::kAllVersions, false},  // what lenient swallows
};

/// Tables of the document whose rows are rules: those with this head.
constexpr std::string_view kRuleTable = "| corner |";
/// Their rows without a rule.
std::vector<std::string> RowsWithoutRule(std::string_view document) {
  std::vector<std::string> rows;
  bool rules = false;
  while (!document.empty()) {
    const std::string_view line = document.substr(0, std::min(document.find('\n'), document.size()));
    document.remove_prefix(std::min(line.size() + 1, document.size()));
    if (!line.starts_with('|')) rules = false;
    if (line.starts_with(kRuleTable)) rules = true;
    const bool head = line.starts_with(kRuleTable) || line.starts_with("|--");
    if (rules && !head && RulesOf(line.substr(0, line.find(" | "))).empty()) rows.emplace_back(line.substr(0, 80));
  }
  return rows;
}

std::string Versions(uint8_t versions) {
  std::string text;
  for (size_t i = 0; i < std::size(proxy_wasm::kVersionNames); ++i)
    if ((versions >> i & 1) != 0) text += (text.empty() ? "" : ", ") + std::string(proxy_wasm::kVersionNames[i]);
  return text;
}

std::string Counted(const std::map<int64_t, size_t>& statuses) {
  std::string text;
  for (const auto& [status, count] : statuses) text += (text.empty() ? "" : ", ") + StatusName(status) + " " + std::to_string(count);
  return text.empty() ? "–" : text;
}

}  // namespace

std::vector<std::string> Gaps(const std::vector<Case>& cases, std::string_view rules_document) {
  std::vector<std::string> gaps;
  const auto shown = Look(cases);
  for (const abi::HostFunction& row : proxy_wasm::HostFunctions()) {
    const std::string key = Key(row);
    const auto at = shown.find(key);
    if (at == shown.end()) {
      gaps.push_back("no case calls " + key);
      continue;
    }
    for (uint8_t bit : {1, 2, 4})
      if ((row.versions & bit) != 0 && (at->second.versions & bit) == 0) gaps.push_back("no case calls " + key + " with ABI " + Versions(bit));
    const std::vector<Status>* statuses = StatusesOf(row.name);
    if (statuses == nullptr) {
      gaps.push_back("src/conformance/coverage.cc does not say what " + key + " can answer");
      continue;
    }
    for (const proxy_wasm::CallbackRow& callback : proxy_wasm::kCallbackRows)
      if ((callback.versions & row.versions) != 0 && !at->second.phases.contains(std::string(callback.name)))
        gaps.push_back("no case calls " + key + " in " + std::string(callback.name));
    if (row.results.empty()) continue;
    for (Status status : *statuses) {
      const int64_t number = int64_t(status);
      if (!at->second.strict.contains(number)) gaps.push_back("no case has " + key + " -> " + StatusName(number) + " in strict");
      if (proxy_wasm::Tolerated(row.extra, status) && !at->second.lenient.contains(number))
        gaps.push_back("no case has " + key + " -> " + StatusName(number) + " in lenient");
    }
    for (const auto& [number, count] : at->second.strict) {
      const bool listed = std::find(statuses->begin(), statuses->end(), Status(number)) != statuses->end();
      if (!listed && number != int64_t(kInternalFailure))
        gaps.push_back(key + " -> " + StatusName(number) + " is in a case, and not among what coverage.cc says it can answer");
    }
  }
  for (const proxy_wasm::CallbackRow& row : proxy_wasm::kCallbackRows)
    if (!shown.contains(std::string(row.name))) gaps.push_back("no case has the callback " + std::string(row.name));
  const std::set<std::string> rules = RulesOf(rules_document);
  std::set<std::string> named;
  for (const Case& one : cases) {
    for (const std::string& rule : one.rules) {
      named.insert(rule);
      if (rule.find('/') == rule.npos && !rules.contains(rule)) gaps.push_back(one.name + ".case: no rule [" + rule + "] in docs/proxy-wasm.md");
    }
  }
  for (const std::string& row : RowsWithoutRule(rules_document)) gaps.push_back("docs/proxy-wasm.md: a row without a rule in brackets: " + row);
  for (const std::string& rule : rules) {
    if (!named.contains(rule)) {
      gaps.push_back("no case shows the rule [" + rule + "] of docs/proxy-wasm.md");
      continue;
    }
    const auto partial = std::find_if(std::begin(kPartial), std::end(kPartial), [&](const Partial& one) { return one.rule == rule; });
    const uint8_t wanted = partial == std::end(kPartial) ? proxy_wasm::kAllVersions : partial->versions;
    uint8_t strict = partial == std::end(kPartial) || partial->strict ? 0 : wanted, lenient = 0;
    for (const Case& one : cases) {
      if (std::find(one.rules.begin(), one.rules.end(), rule) == one.rules.end()) continue;
      if (one.strict) strict |= one.versions;
      if (one.lenient) lenient |= one.versions;
    }
    if ((wanted & ~strict) != 0) gaps.push_back("no case shows the rule [" + rule + "] in strict with ABI " + Versions(wanted & ~strict));
    if ((wanted & ~lenient) != 0) gaps.push_back("no case shows the rule [" + rule + "] in lenient with ABI " + Versions(wanted & ~lenient));
  }
  return gaps;
}

std::string Matrix(const std::vector<Case>& cases) {
  const auto shown = Look(cases);
  size_t nginx = 0;
  for (const Case& one : cases) nginx += one.not_nginx.empty();
  std::string text = "### Host functions\n\nCases that have the function answer each status, with `statuses=strict` and `lenient`; the callbacks that it is "
                     "called in; how many cases there are in memory and through NGINX.\n\n"
                     "| function | versions | strict | lenient | phases | memory | NGINX |\n|---|---|---|---|---|---|---|\n";
  for (const abi::HostFunction& row : proxy_wasm::HostFunctions()) {
    const auto at = shown.find(Key(row));
    text += "| `" + Key(row) + "` | ";
    if (at == shown.end()) {
      text += Versions(row.versions) + " | – | – | – | 0 | 0 |\n";
      continue;
    }
    const Seen& one = at->second;
    std::string phases;
    for (std::string phase : one.phases) {
      for (std::string_view prefix : {"proxy_on_", "proxy_"})
        if (phase.starts_with(prefix)) phase.erase(0, prefix.size());
      phases += (phases.empty() ? "" : ", ") + phase;
    }
    text += Versions(one.versions & row.versions) + " | " + (one.no_result ? "()" : Counted(one.strict)) + " | " + (one.no_result ? "()" : Counted(one.lenient)) +
            " | " + phases + " | " + std::to_string(one.cases) + " | " + std::to_string(one.nginx) + " |\n";
  }
  text += "\n### Callbacks\n\n| callback | versions | memory | NGINX |\n|---|---|---|---|\n";
  for (const proxy_wasm::CallbackRow& row : proxy_wasm::kCallbackRows) {
    const auto at = shown.find(std::string(row.name));
    const Seen one = at == shown.end() ? Seen{} : at->second;
    text += "| `" + std::string(row.name) + "` | " + Versions(one.versions & row.versions) + " | " + std::to_string(one.cases) + " | " +
            std::to_string(one.nginx) + " |\n";
  }
  std::map<std::string, std::pair<size_t, size_t>> rules;
  for (const Case& one : cases)
    for (const std::string& rule : one.rules) ++rules[rule].first, rules[rule].second += one.not_nginx.empty();
  text += "\n### Rules\n\nThose with a `/` are a function's, by its section; the others stand in docs/proxy-wasm.md.\n\n| rule | memory | NGINX |\n|---|---|---|\n";
  for (const auto& [rule, count] : rules) text += "| " + rule + " | " + std::to_string(count.first) + " | " + std::to_string(count.second) + " |\n";
  text += "| all cases | " + std::to_string(cases.size()) + " | " + std::to_string(nginx) + " |\n\n### Not through NGINX\n\n| case | why |\n|---|---|\n";
  for (const Case& one : cases)
    if (!one.not_nginx.empty()) text += "| " + one.name + " | " + one.not_nginx + " |\n";
  return text;
}

}  // namespace weir::conformance
