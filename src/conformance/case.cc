#include "conformance/case.h"

#include <algorithm>

#include "conformance/rows.h"
#include "proxy_wasm/host_functions.h"
#include "scenario/text.h"

namespace weir::conformance {
namespace {

using abi::Role;
using proxy_wasm::kAllVersions;
using scenarios::Word;

class Parser {
 public:
  explicit Parser(std::string_view name) : number_(0) { case_.name = name; }

  Result<Case> Run(std::string_view text) {
    std::string message;
    while (message.empty() && !text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      ++number_;
      message = Line(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (message.empty()) message = End();
    if (message.empty()) return std::move(case_);
    return Error{ErrorCode::kInvalidArgument, case_.name + ".case:" + std::to_string(number_) + ": " + message};
  }

 private:
  std::string Line(std::string_view line) {
    const size_t indent = std::min(line.find_first_not_of(" \t"), line.size());
    const bool indented = indent > 0;
    if (in_wat_ && (indented || line.empty())) return case_.plugins[wat_plugin_].wat.append(line).append("\n"), "";
    in_wat_ = false;
    line = scenarios::Trim(line);
    if (line.empty() || line.starts_with('#')) return "";
    if (indented && in_block_) {
      if (current_ != top_ && indent <= nested_indent_) current_ = top_;
      const std::string_view name = line.substr(0, std::min(line.find_first_of(" ("), line.size()));
      if (FindExport(name) != nullptr) return NestedLine(line, indent);
      return StepLine(line);
    }
    std::string_view rest = line;
    const std::string_view word = Word(&rest);
    if (word == "about") return case_.about = rest, rest.empty() ? "about wants a sentence" : "";
    if (case_.about.empty()) return "the first line must be \"about TEXT\"";
    if (scenarios::ExchangeParser::Takes(word)) return ExchangeLine(word, rest);
    in_block_ = false;
    if (word == "rule") return case_.rules.emplace_back(rest), rest.empty() ? "rule wants the name of a rule" : "";
    if (word == "abi") return Abi(rest);
    if (word == "statuses") return Statuses(rest);
    if (word == "nginx") return Nginx(rest);
    if (word == "plugin") return Plugin(rest);
    if (word == "max-body") return MaxBody(rest);
    if (word == "wait") return Wait(rest);
    if (word == "restart") return ++instance_, "";
    if (word == "unload") return unloading_ = true, "";
    if (word == "expect-load") return ExpectLoad(rest);
    if (word == "config") return Config(rest);
    if (word == "tcp") return TcpLine(rest);
    if (word == "expect-metric") return MetricLine(rest);
    if (word == "foreign") return ForeignLine(rest);
    if (word == "cluster") return ClusterLine(rest);
    if (word == "exports" || word == "ignore") return Exports(word, rest);
    if (word == "no-allocator") return With(rest, [](CasePlugin& plugin) { plugin.allocator = false; });
    if (word == "wat") return Wat(rest);
    if (word == "guest") return GuestOf(rest);
    return BlockLine(line);
  }

  std::string ExchangeLine(std::string_view word, std::string_view rest) {
    in_block_ = false;
    std::string message = exchanges_.Line(word, rest, number_);
    if (word == "request" && message.empty()) {
      EnsurePlugin();
      case_.events.push_back({Event::Kind::kExchange, exchanges_.exchanges().size() - 1, 0});
    }
    return message;
  }

  // ---- lines before the transcript
  void EnsurePlugin() {
    if (!case_.plugins.empty()) return;
    case_.plugins.emplace_back();
    case_.plugins[0].spec.name = "p";
  }
  CasePlugin* Find(std::string_view name) {
    if (name == "p") EnsurePlugin();
    for (CasePlugin& plugin : case_.plugins)
      if (plugin.spec.name == name) return &plugin;
    return nullptr;
  }
  template <class F>
  std::string With(std::string_view name, F&& change) {
    CasePlugin* plugin = Find(name.empty() ? "p" : name);
    if (plugin == nullptr) return "no plugin \"" + std::string(name) + "\"";
    return change(*plugin), "";
  }
  std::string Abi(std::string_view rest) {
    while (!rest.empty()) {
      const std::string_view word = Word(&rest);
      const auto* at = std::find(std::begin(proxy_wasm::kVersionNames), std::end(proxy_wasm::kVersionNames), word);
      if (at == std::end(proxy_wasm::kVersionNames)) return "abi wants 0.1.0, 0.2.0 or 0.2.1, not \"" + std::string(word) + "\"";
      case_.versions |= uint8_t(1u << (at - std::begin(proxy_wasm::kVersionNames)));
    }
    return "";
  }
  std::string Statuses(std::string_view rest) {
    if (rest != "strict" && rest != "lenient") return "statuses wants strict or lenient; without this line a case runs with both";
    return case_.strict = rest == "strict", case_.lenient = !case_.strict, "";
  }
  std::string Nginx(std::string_view rest) {
    if (!rest.starts_with("no (") || !rest.ends_with(")")) return "nginx wants: no (the reason)";
    return case_.not_nginx = rest.substr(4, rest.size() - 5), "";
  }
  std::string Plugin(std::string_view rest) {
    const std::string_view name = Word(&rest);
    const bool known = std::any_of(case_.plugins.begin(), case_.plugins.end(), [&](const CasePlugin& one) { return one.spec.name == name; });
    if (name.empty() || known) return "plugin wants a name that is not there yet";
    CasePlugin plugin;
    plugin.spec.name = name;
    return Options(rest, case_.plugins.emplace_back(std::move(plugin)));
  }
  static std::string Options(std::string_view rest, CasePlugin& plugin) {
    while (!rest.empty()) {
      const std::string_view option = Word(&rest);
      const size_t equals = option.find('=');
      if (equals == option.npos) return "wants option=value, not \"" + std::string(option) + "\"";
      auto message = scenarios::SetPluginOption(&plugin.spec, option.substr(0, equals), option.substr(equals + 1));
      if (!message.empty()) return message;
    }
    return "";
  }
  std::string MaxBody(std::string_view rest) {
    const auto size = scenarios::Size(rest);
    if (!size) return "max-body wants a size";
    EnsurePlugin();
    for (CasePlugin& plugin : case_.plugins) plugin.spec.limits.body_bytes = *size;
    return "";
  }
  std::string Config(std::string_view rest) {
    const std::string_view name = Word(&rest);
    const auto text = scenarios::Text(rest);
    if (!text) return std::string(scenarios::kBadText);
    return With(name, [&](CasePlugin& plugin) { plugin.spec.configuration = *text; });
  }
  std::string Exports(std::string_view word, std::string_view rest) {
    std::string_view name = Word(&rest);
    if (!rest.empty()) return std::string(word) + " wants one name";
    std::string_view plugin = "p";
    if (const size_t colon = name.find(':'); colon != name.npos) plugin = name.substr(0, colon), name = name.substr(colon + 1);
    if (FindExport(name) == nullptr) return "no callback \"" + std::string(name) + "\"";
    return With(plugin, [&](CasePlugin& p) { (word == "exports" ? p.exports : p.ignored).emplace_back(name); });
  }
  std::string Wat(std::string_view rest) {
    const std::string_view name = rest.empty() ? "p" : rest;
    if (Find(name) == nullptr) return "no plugin \"" + std::string(name) + "\"";
    wat_plugin_ = size_t(Find(name) - case_.plugins.data());
    return in_wat_ = true, "";
  }
  std::string GuestOf(std::string_view rest) {
    const std::string_view name = Word(&rest);
    const CasePlugin* other = Find(rest);
    if (other == nullptr || rest == name) return "guest wants the names of two plugins, the second of which has the guest";
    return With(name, [&](CasePlugin& plugin) { plugin.guest_of = size_t(other - case_.plugins.data()); });
  }
  std::string ExpectLoad(std::string_view rest) {
    const auto text = scenarios::Text(rest);
    if (!text || text->empty()) return "expect-load wants a part of the error";
    EnsurePlugin();
    return case_.expect_load = *text, "";
  }
  std::string ForeignLine(std::string_view rest) {
    const auto id = scenarios::Number(Word(&rest));
    const auto bytes = scenarios::Text(rest);
    if (!id || !bytes) return "foreign wants NUMBER TEXT";
    EnsurePlugin();
    Event event{.kind = Event::Kind::kForeign, .line = number_};
    event.id = uint32_t(*id);
    event.bytes = *bytes;
    return case_.events.push_back(std::move(event)), "";
  }
  std::string MetricLine(std::string_view rest) {
    if (rest.find(' ') == rest.npos) return "expect-metric wants NAME{LABELS} VALUE";
    EnsurePlugin();
    Event event{.kind = Event::Kind::kMetric, .line = number_};
    event.bytes = rest;
    return case_.events.push_back(std::move(event)), "";
  }
  std::string TcpLine(std::string_view rest) {
    constexpr std::string_view kPlain[] = {"connect", "client-end", "client-close", "backend-end", "backend-close", "expect-open", "expect-closed"};
    constexpr std::string_view kWithBytes[] = {"client", "backend", "expect-client", "expect-backend"};
    const std::string_view what = Word(&rest);
    const auto bytes = scenarios::Text(rest);
    const bool plain = std::find(std::begin(kPlain), std::end(kPlain), what) != std::end(kPlain);
    if (!plain && std::find(std::begin(kWithBytes), std::end(kWithBytes), what) == std::end(kWithBytes)) return "tcp wants connect, client TEXT, backend TEXT, client-end …";
    if (!bytes || (plain && !bytes->empty())) return std::string(scenarios::kBadText);
    EnsurePlugin();
    Event event{.kind = Event::Kind::kTcp, .line = number_};
    event.what = what;
    event.bytes = *bytes;
    return case_.events.push_back(std::move(event)), "";
  }
  /// NAME http STATUS [{headers} [body [{trailers}]]] · silent · failure KIND · grpc STATUS [message [{metadata} [{trailers} messages…]]]
  std::string ClusterLine(std::string_view rest) {
    Cursor at(rest);
    Cluster made{.name = std::string(at.Name()), .kind = std::string(at.Name()), .script = {}};
    auto pairs = [&] { return at.Done() ? HeaderList() : at.Take().pairs; };
    auto bytes = [&] { return at.Done() ? std::string() : at.Take().text; };
    if (made.kind == "http") {
      const auto status = uint32_t(at.Take().number);
      const HeaderList headers = pairs();
      const std::string body = bytes();
      made.script = HttpScript(status, body, headers, pairs());
    } else if (made.kind == "grpc") {
      const auto status = GrpcStatus(at.Take().number);
      const std::string message = bytes();
      const HeaderList metadata = pairs(), trailers = pairs();
      std::vector<std::string> messages;
      while (!at.Done()) messages.push_back(bytes());
      made.script = GrpcScript(std::move(messages), status, message, metadata, trailers);
    } else if (made.kind == "silent") {
      made.script = SilentScript();
    } else if (made.kind == "failure") {
      const std::string_view kind = at.Name();
      auto failure = CallFailure::kTimeout;
      while (failure != CallFailure::kProtocol && weir::Name(failure) != kind) failure = CallFailure(uint8_t(failure) + 1);
      if (weir::Name(failure) != kind) at.Fail("no failure \"" + std::string(kind) + "\"");
      made.script = FailureScript(failure, "as the case says");
    } else {
      return "cluster wants NAME http|silent|failure|grpc";
    }
    if (!at.error.empty() || !at.Done()) return at.error.empty() ? "unexpected: " + std::string(at.rest()) : at.error;
    return case_.clusters.push_back(std::move(made)), "";
  }
  std::string Wait(std::string_view rest) {
    const auto ms = scenarios::Number(rest);
    if (!ms) return "wait wants milliseconds";
    EnsurePlugin();
    return case_.events.push_back({Event::Kind::kWait, 0, *ms}), "";
  }

  // ---- the transcript
  // [PLUGIN:]NAME[(VALUE, …)] [held]
  std::string BlockLine(std::string_view line) {
    Block block{.line = number_, .instance = instance_, .at_unload = unloading_};
    std::string_view plugin = "p";
    Cursor at(line);
    std::string_view name = at.Name();
    if (at.Eat(":")) plugin = name, name = at.Name();
    const ExportRow* row = FindExport(name);
    if (row == nullptr) return "\"" + std::string(name) + "\" is no line of a case and no callback";
    const CasePlugin* owner = Find(plugin);
    if (owner == nullptr) return "no plugin \"" + std::string(plugin) + "\"";
    block.plugin = size_t(owner - case_.plugins.data());
    block.function = name;
    if (at.Eat("(")) {
      block.args_given = true;
      while (!at.Eat(")") && at.error.empty()) {
        block.args.push_back(at.Take());
        if (!at.Eat(",") && at.Peek() != ')') at.Fail("wants , or ) between arguments");
      }
      if (at.error.empty() && block.args.size() != row->params) return block.function + " has " + std::to_string(row->params) + " arguments";
    }
    block.held = at.Eat("held");
    if (!at.error.empty() || !at.Done()) return at.error.empty() ? "unexpected: " + std::string(at.rest()) : at.error;
    possible_ &= row->versions;
    for (const Value& value : block.args) Note(block.plugin, value);
    case_.blocks.push_back(std::move(block));
    top_ = current_ = case_.blocks.size() - 1;
    return in_block_ = true, "";
  }
  /// A call of the allocator, by the host call in the line behind its own.
  std::string NestedLine(std::string_view line, size_t indent) {
    const size_t top = top_;
    const std::string plugin = case_.plugins[case_.blocks[top].plugin].spec.name;
    if (auto message = BlockLine(plugin + ":" + std::string(line)); !message.empty()) return message;
    case_.blocks.back().nested = true;
    case_.blocks[top].steps.push_back({.kind = Step::Kind::kNested, .line = number_, .nested = case_.blocks.size() - 1});
    return top_ = top, nested_indent_ = indent, "";
  }

  std::string StepLine(std::string_view line) {
    Block& block = case_.blocks[current_];
    if (block.instance > 0) return "a new instance plays what the first one did: no steps behind restart";
    if (block.returns) return "nothing comes behind return";
    Cursor at(line);
    const std::string name(at.Name());
    if (name == "return") {
      block.returns = at.Take();
      if (at.error.empty() && !at.Done()) at.Fail("unexpected: " + std::string(at.rest()));
      return at.error;
    }
    Step step{.line = number_};
    if ((name == "trap" || name == "loop") && at.Done()) {
      step.kind = name == "trap" ? Step::Kind::kTrap : Step::Kind::kLoop;
      return block.steps.push_back(std::move(step)), "";
    }
    step.row = FindRow(name, line.find("-> ()") == line.npos, &step.module);
    if (step.row == nullptr) return "no host function \"" + name + "\"";
    TakeArgs(at, step);
    TakeAnswers(at, step);
    if (!at.error.empty() || !at.Done()) return at.error.empty() ? "unexpected: " + std::string(at.rest()) : at.error;
    for (const Value& value : step.args)
      if (value.kind == Value::Kind::kPrefix || value.kind == Value::Kind::kSomePairs) return "only what is expected may end with ...";
    for (const auto* values : {&step.args, &step.strict.outputs, &step.lenient.outputs})
      for (const Value& value : *values) Note(block.plugin, value);
    if (step.module == proxy_wasm::kModule) possible_ &= step.row->versions;
    return block.steps.push_back(std::move(step)), "";
  }

  /// One argument for each number, each run of bytes (address and size), none for return pointers; NAME=VALUE sets any by its name.
  static void TakeArgs(Cursor& at, Step& step) {
    const auto& params = step.row->params;
    step.args.resize(params.size());
    size_t next = 0;
    auto skip = [&] {
      while (next < params.size() && (params[next].role == Role::kReturn || params[next].role == Role::kBuffer)) ++next;
    };
    if (!at.Eat("(")) return at.Fail("wants ( behind the function's name");
    while (!at.Eat(")") && at.error.empty()) {
      Cursor ahead = at;
      const std::string_view name = ahead.Name();
      if (ahead.Eat("=")) {
        const auto* begin = step.row->args.data();
        const size_t index = size_t(std::find(begin, begin + params.size(), name) - begin);
        if (name.empty() || index == params.size()) return at.Fail("it has no argument \"" + std::string(name) + "\"");
        at = ahead;
        step.args[index] = at.Take();
      } else {
        skip();
        if (next >= params.size()) return at.Fail("too many arguments");
        step.args[next] = at.Take();
        next += params[next].role == Role::kData ? 2 : 1;
      }
      if (!at.Eat(",") && at.Peek() != ')') at.Fail("wants , or ) between arguments");
    }
    skip();
    for (size_t i = next; i < params.size() && at.error.empty(); ++i) {
      const bool own = params[i].role == Role::kReturn || params[i].role == Role::kBuffer || step.args[i].kind != Value::Kind::kAny;
      if (!own) at.Fail("too few arguments: \"" + std::string(step.row->args[i]) + "\" is missing");
    }
  }

  /// -> STATUS outputs… [lenient STATUS outputs…]
  static void TakeAnswers(Cursor& at, Step& step) {
    if (!at.Eat("->")) return at.Fail("wants \"-> STATUS\" behind the call");
    TakeAnswer(at, step, step.strict);
    step.lenient = step.strict;
    if (at.Eat("lenient")) TakeAnswer(at, step, step.lenient);
  }
  static void TakeAnswer(Cursor& at, const Step& step, Answer& answer) {
    answer = {};
    if (step.row->results.empty()) {
      if (!at.Eat("()")) at.Fail("this function answers nothing: ()");
      return;
    }
    answer.status = at.Take();
    while (at.error.empty() && !at.Done() && !at.rest().starts_with("lenient")) answer.outputs.push_back(at.Take());
  }

  void Note(size_t plugin, const Value& value) {
    auto& names = case_.plugins[plugin].variables;
    if (value.kind == Value::Kind::kVariable && std::find(names.begin(), names.end(), value.text) == names.end()) names.push_back(value.text);
  }

  std::string End() {
    if (case_.about.empty()) return "it is empty";
    if (!exchanges_.empty()) {
      if (auto message = exchanges_.End(); !message.empty()) return message;
      case_.exchanges = std::move(exchanges_.exchanges());
    }
    if (case_.plugins.empty()) return "it has neither a callback nor a request";
    const std::string folder = case_.name.substr(0, case_.name.find('/'));
    case_.section = SectionOf(folder);
    if (case_.section.empty()) return "its folder \"" + folder + "\" is no heading of the specification";
    if (case_.rules.empty()) case_.rules.push_back(case_.name.substr(0, case_.name.find('.')));
    if (case_.versions == 0) case_.versions = possible_;
    if ((case_.versions & ~possible_) != 0 || case_.versions == 0) return "one of its functions is not of a version that \"abi\" names";
    return "";
  }

  Case case_;
  int number_;
  uint8_t possible_ = kAllVersions;
  bool in_block_ = false, in_wat_ = false, unloading_ = false;
  size_t instance_ = 0;
  size_t wat_plugin_ = 0, top_ = 0, current_ = 0, nested_indent_ = 0;
  scenarios::ExchangeParser exchanges_{[this](std::string_view name) { return Find(name) != nullptr; }};
};

}  // namespace

Result<Case> ParseCase(std::string_view text, std::string_view name) { return Parser(name).Run(text); }

}  // namespace weir::conformance
