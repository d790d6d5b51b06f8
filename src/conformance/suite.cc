#include "conformance/suite.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <set>

#include "conformance/rows.h"
#include "proxy_wasm/host_functions.h"
#include "scenario/text.h"
#include "weir/engine.h"

namespace weir::conformance {
namespace {

using abi::Role;
using scenarios::Trim;
using scenarios::Word;

std::string Dashed(std::string_view name) {  // "proxy_get_status" -> "get-status"
  std::string text(name.starts_with("proxy_") ? name.substr(6) : name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}
/// Blocks in the order in which a host calls them: the start, a tick, the answers to what the tick began, one request with a body, one
/// connection, a function that the embedder calls.
struct Phase {
  std::string_view name, block;
  enum class Group : uint8_t { kStart, kTick, kEvents, kStream, kTcp, kForeign } group;
};
constexpr Phase kPhases[] = {
    {"create_root", "proxy_on_context_create(1, 0)", Phase::Group::kStart},
    {"vm_start", "proxy_on_vm_start(1, _)", Phase::Group::kStart},
    {"configure", "proxy_on_configure(1, _)", Phase::Group::kStart},
    {"tick", "proxy_on_tick(1)", Phase::Group::kTick},
    {"queue_ready", "proxy_on_queue_ready(1, $queue)", Phase::Group::kEvents},
    {"http_call_response", "proxy_on_http_call_response(1, $http, _, 4, 0)", Phase::Group::kEvents},
    {"grpc_receive_initial_metadata", "proxy_on_grpc_receive_initial_metadata(1, $grpc, _)", Phase::Group::kEvents},
    {"grpc_receive", "proxy_on_grpc_receive(1, $grpc, 7)", Phase::Group::kEvents},
    {"grpc_receive_trailing_metadata", "proxy_on_grpc_receive_trailing_metadata(1, $grpc, _)", Phase::Group::kEvents},
    {"grpc_close", "proxy_on_grpc_close(1, $grpc, 0)", Phase::Group::kEvents},
    {"create", "proxy_on_context_create($stream, 1)", Phase::Group::kStream},
    {"request_headers", "proxy_on_request_headers($stream, _, 0)", Phase::Group::kStream},
    {"request_body", "proxy_on_request_body($stream, 4, _) held", Phase::Group::kStream},
    {"request_trailers", "proxy_on_request_trailers($stream, 1)", Phase::Group::kStream},
    {"response_headers", "proxy_on_response_headers($stream, _, 0)", Phase::Group::kStream},
    {"response_body", "proxy_on_response_body($stream, 4, _) held", Phase::Group::kStream},
    {"response_trailers", "proxy_on_response_trailers($stream, 1)", Phase::Group::kStream},
    {"done", "proxy_on_done($stream)", Phase::Group::kStream},
    {"log", "proxy_on_log($stream)", Phase::Group::kStream},
    {"delete", "proxy_on_delete($stream)", Phase::Group::kStream},
    {"create_connection", "proxy_on_context_create($connection, 1)", Phase::Group::kTcp},
    {"new_connection", "proxy_on_new_connection($connection)", Phase::Group::kTcp},
    {"downstream_data", "proxy_on_downstream_data($connection, 4, 0)", Phase::Group::kTcp},
    {"upstream_data", "proxy_on_upstream_data($connection, 4, 0)", Phase::Group::kTcp},
    {"downstream_close", "proxy_on_downstream_connection_close($connection, REMOTE)", Phase::Group::kTcp},
    {"upstream_close", "proxy_on_upstream_connection_close($connection, LOCAL)", Phase::Group::kTcp},
    {"done_connection", "proxy_on_done($connection)", Phase::Group::kTcp},
    {"log_connection", "proxy_on_log($connection)", Phase::Group::kTcp},
    {"delete_connection", "proxy_on_delete($connection)", Phase::Group::kTcp},
    {"foreign_function", "proxy_on_foreign_function(1, 7, 4)", Phase::Group::kForeign},
};
using Group = Phase::Group;

/// "BAD_ARGUMENT/OK": in strict and in lenient.
std::string AnswerText(std::string_view cell) {
  const size_t slash = cell.find('/');
  if (slash == cell.npos) return " -> " + std::string(cell);
  return " -> " + std::string(cell.substr(0, slash)) + " lenient " + std::string(cell.substr(slash + 1));
}

class PhaseTable {
 public:
  PhaseTable(std::string_view file) : file_(file) {}
  Result<std::vector<CaseText>> Run(std::string_view text) {
    int number = 0;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++number;
      const std::string message = Line(Trim(text.substr(0, end)));
      if (!message.empty()) return Error{ErrorCode::kInvalidArgument, file_ + ":" + std::to_string(number) + ": " + message};
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return std::move(cases_);
  }

 private:
  std::string Line(std::string_view line) {
    if (line.empty() || line.starts_with('#')) return "";
    std::string_view rest = line;
    const std::string_view word = Word(&rest);
    if (word == "nginx") return nginx_ = line, "";
    if (word == "abi") return abi_ = rest.empty() ? "" : std::string(line) + "\n", "";
    if (word == "phases") {
      columns_.clear();
      while (!rest.empty()) columns_.emplace_back(Word(&rest));
      return "";
    }
    const size_t close = line.find(')');
    if (close == line.npos || columns_.empty()) return "wants \"phases …\" first, then lines FUNCTION(…) STATUS…";
    const std::string call(line.substr(0, close + 1));
    std::vector<std::string> cells;
    for (rest = Trim(line.substr(close + 1)); !rest.empty();) cells.emplace_back(Word(&rest));
    if (cells.size() != columns_.size()) return "wants " + std::to_string(columns_.size()) + " statuses, one each phase";
    return Add(call, cells);
  }

  std::string Add(std::string call, const std::vector<std::string>& cells) {
    const std::string function = call.substr(0, call.find('('));
    const abi::HostFunction* row = nullptr;
    for (const abi::HostFunction& one : proxy_wasm::HostFunctions())
      if (one.name == function) row = &one;
    if (row == nullptr) return "no host function \"" + function + "\"";
    const std::string table = file_.substr(0, file_.find('.'));
    std::string name = Slug(row->section) + "/" + Dashed(function) + (table == "phases" ? ".phases" : ".phases-" + table);
    const auto same = std::count_if(cases_.begin(), cases_.end(), [&](const CaseText& one) { return one.name.starts_with(name); });
    if (same > 0) name += "-" + std::to_string(same + 1);
    const std::string upstream = Dashed(function) + "-" + table + std::to_string(same);  // a name of its own: through NGINX all cases share one list of upstreams
    std::string text = "about what " + function + " answers in each phase\n" + nginx_ + (nginx_.empty() ? "" : "\n") + abi_;
    if (AddedTrailers()) text += "plugin p\nplugin q\n";
    text += "ignore proxy_on_tick\n";
    if (const size_t at = call.find("$silent"); at != call.npos) {
      call.replace(at, 7, upstream + "-silent");
      text += "cluster " + upstream + "-silent silent\n";
    }
    const bool events = HasGroup(Group::kEvents);
    if (events) text += "cluster " + upstream + "-http http 200 {} \"body\"\ncluster " + upstream + "-grpc grpc 0 \"\" {\"x-meta\": \"1\"} {\"x-trail\": \"2\"} \"message\"\n";
    auto cell = [&](const Phase& phase) {
      const auto at = std::find(columns_.begin(), columns_.end(), phase.name);
      return at == columns_.end() ? std::string("-") : cells[size_t(at - columns_.begin())];
    };
    std::set<Group> used;
    bool creates = false;  // proxy_on_context_create is exported, so it is called for each context
    for (const Phase& phase : kPhases) {
      if (cell(phase) == "-") continue;
      used.insert(phase.group);
      creates = creates || phase.name.starts_with("create");
    }
    if (events) used.insert({Group::kTick, Group::kEvents});
    for (const Phase& phase : kPhases) {
      const bool asked = cell(phase) != "-";
      const bool start = phase.name == "configure" || (creates && phase.name == "create_root");
      const bool along = events && (phase.group == Group::kTick || phase.group == Group::kEvents);
      const bool created = creates && phase.name.starts_with("create") && used.contains(phase.group);
      if (!asked && !start && !along && !created) continue;
      if (AddedTrailers() && phase.name == "response_trailers")
        text += "q:proxy_on_response_body held\n  proxy_add_header_map_value(HTTP_RESPONSE_TRAILERS, \"x-trailer\", \"1\") -> OK\n";
      text += std::string(phase.block) + "\n";
      if (phase.name == "configure") text += "  proxy_set_tick_period_milliseconds(5) -> OK\n";
      if (asked) text += "  " + call + AnswerText(cell(phase)) + "\n";
      if (phase.name == "tick") text += "  proxy_set_tick_period_milliseconds(0) -> OK\n";
      if (events) text += Begins(phase.name, upstream);
    }
    text += Traffic(used);
    cases_.push_back({std::move(name), std::move(text)});
    return "";
  }
  /// What a block begins behind the call, so that each event follows from the one before it.
  static std::string Begins(std::string_view phase, const std::string& upstream) {
    if (phase == "tick") return "  proxy_register_shared_queue(\"phases\") -> OK $queue\n  proxy_enqueue_shared_queue($queue, \"item\") -> OK\n";
    if (phase == "queue_ready") return "  proxy_http_call(\"" + upstream + "-http\", {\":method\": \"GET\", \":path\": \"/\", \":authority\": \"a\"}, \"\", {}, 5000) -> OK $http\n";
    if (phase == "http_call_response") return "  proxy_grpc_stream(\"" + upstream + "-grpc\", \"test.Greeter\", \"Chat\", {}) -> OK $grpc\n  proxy_grpc_send($grpc, \"\", 1) -> OK\n";
    return "";
  }
  std::string Traffic(const std::set<Group>& used) const {
    std::string text;
    if (used.contains(Group::kTick)) text += used.contains(Group::kEvents) ? "wait 200\n" : "wait 50\n";
    if (used.contains(Group::kStream)) {
      const bool trailers = Has("request_trailers");
      text += "request POST /path\nheader content-type: text/plain\n" + std::string(trailers ? "header transfer-encoding: chunked\n" : "") + "body body\n";
      if (trailers) text += "trailer x-trailer: 1\n";
      text += "upstream 200\nheader content-type: text/plain\nbody text\nexpect-client 200\nbody text\n";
    }
    if (used.contains(Group::kTcp)) text += "tcp connect\ntcp client ping\ntcp expect-backend ping\ntcp backend pong\ntcp expect-client pong\ntcp client-close\n";
    if (used.contains(Group::kForeign)) text += "foreign 7 call\n";
    return text;
  }
  /// The trailers of a response are those that another plugin added: then any upstream will do.
  bool AddedTrailers() const { return Has("response_trailers"); }
  bool Has(std::string_view phase) const { return std::find(columns_.begin(), columns_.end(), phase) != columns_.end(); }
  bool HasGroup(Group group) const {
    return std::any_of(std::begin(kPhases), std::end(kPhases), [&](const Phase& phase) { return phase.group == group && Has(phase.name); });
  }

  const std::string file_;
  std::string nginx_, abi_;
  std::vector<std::string> columns_;
  std::vector<CaseText> cases_;
};

/// The calls of one function, each with one pointer at an edge.
std::string PointerCalls(const abi::HostFunction& row) {
  std::string calls;
  for (size_t i = 0; i < row.params.size(); ++i) {
    const abi::Param& param = row.params[i];
    if (param.role == Role::kValue || param.role == Role::kSize) continue;
    auto add = [&](const std::string& at, const std::string& size, bool inside) {
      std::string args;
      for (size_t j = 0; j < row.params.size(); ++j) {
        const Role role = row.params[j].role;
        std::string value = role == Role::kSize ? "1" : role == Role::kValue ? "0" : std::to_string(128 + 64 * j);
        if (j == i) value = at;
        if (j == i + 1 && param.role != Role::kReturn) value = size;
        args += (j == 0 ? "" : ", ") + std::string(row.args[j]) + "=" + value;
      }
      calls += "  " + std::string(row.name) + "(" + args + ") -> " + (inside ? "!" : "") + "INVALID_MEMORY_ACCESS\n";
    };
    const std::string width = std::to_string(param.bytes), less = std::to_string(param.bytes - 1);
    add("0", "1", true);
    add("end-" + width, "1", true);
    add(less == "0" ? "end" : "end-" + less, "1", false);
    add("end", "1", false);
    add("end+1", "1", false);
    add("0xffffffff", "1", false);
    if (param.role == Role::kReturn) continue;
    add("end", "0", true);
    add("end+1", "0", false);
    add("0", "end+1", false);
    add("16", "0xfffffff8", false);
    add("0xfffffff0", "0x10", false);
  }
  return calls;
}

}  // namespace

std::vector<CaseText> PointerCases() {
  std::vector<CaseText> cases;
  for (const abi::HostFunction& row : proxy_wasm::HostFunctions()) {
    const std::string calls = PointerCalls(row);
    if (calls.empty()) continue;
    // A local response with status 0 is one with 500.
    const bool local = row.name == "proxy_send_local_response";
    cases.push_back({"memory-management/pointers." + Dashed(row.name),
                     "about each pointer of " + std::string(row.name) + " at the edges of the memory\nrule memory.pointers\n" +
                         "proxy_on_request_headers\n" + calls + "request GET /\nexpect-client " + (local ? "500" : "200") + "\n"});
  }
  return cases;
}

Result<std::vector<CaseText>> PhaseCases(std::string_view table, std::string_view file) {
  return PhaseTable(file).Run(table);
}

Result<std::vector<CaseText>> LoadTexts(const std::string& folder) {
  std::vector<CaseText> files;
  if (folder.empty()) {
    for (size_t i = 0; i < kEmbeddedCount; ++i) files.push_back({std::string(kEmbedded[i].path), std::string(kEmbedded[i].text)});
  } else {
    std::error_code fault;
    std::filesystem::recursive_directory_iterator at(folder, fault), end;
    if (fault) return Error{ErrorCode::kNotFound, folder + ": " + fault.message()};
    for (; at != end; at.increment(fault)) {
      const auto extension = at->path().extension();
      if (extension != ".case" && extension != ".table") continue;
      WEIR_TRY(std::string text, ReadFile(at->path().string()));
      files.push_back({std::filesystem::relative(at->path(), folder).string(), std::move(text)});
    }
  }
  std::vector<CaseText> all = PointerCases();
  for (CaseText& file : files) {
    if (file.name.ends_with(".table")) {
      WEIR_TRY(auto made, PhaseCases(file.text, file.name));
      all.insert(all.end(), std::make_move_iterator(made.begin()), std::make_move_iterator(made.end()));
    } else {
      file.name.resize(file.name.size() - std::string_view(".case").size());
      all.push_back(std::move(file));
    }
  }
  std::sort(all.begin(), all.end(), [](const CaseText& a, const CaseText& b) { return a.name < b.name; });
  for (size_t i = 1; i < all.size(); ++i)
    if (all[i].name == all[i - 1].name) return Error{ErrorCode::kInvalidArgument, "two cases are called " + all[i].name};
  return all;
}

Result<std::vector<Case>> LoadSuite(const std::string& folder) {
  WEIR_TRY(const auto texts, LoadTexts(folder));
  std::vector<Case> cases;
  cases.reserve(texts.size());
  for (const CaseText& text : texts) {
    WEIR_TRY(Case one, ParseCase(text.text, text.name));
    cases.push_back(std::move(one));
  }
  return cases;
}

bool NameMatches(std::string_view name, std::string_view pattern) {
  if (pattern.find_first_of("*?") == pattern.npos) return name.find(pattern) != name.npos;
  size_t n = 0, p = 0, star = pattern.npos, mark = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++n, ++p;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++, mark = n;
    } else if (star != pattern.npos) {
      p = star + 1, n = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace weir::conformance
