#include "conformance/judge.h"

#include <algorithm>
#include <utility>

#include "conformance/guest.h"
#include "proxy_wasm/pairs.h"
#include "scenario/text.h"

namespace weir::conformance {
namespace {

using Kind = Value::Kind;

Piece Literal(std::string text) { return {.text = std::move(text)}; }

ExpectedLine OfBlock(const Block& block, proxy_wasm::Version version) {
  const size_t params = FindExport(block.function)->count(version);
  ExpectedLine line{block.line, block.plugin, block.at_unload, {Literal(std::string(kMark) + block.function + "(")}};
  for (size_t i = 0; i < params; ++i) {
    if (i > 0) line.pieces.push_back(Literal(", "));
    line.pieces.push_back({.value = block.args_given ? block.args[i] : Value{}});
  }
  line.pieces.push_back(Literal(");"));
  return line;
}

ExpectedLine OfStep(const Block& block, const Step& step, Statuses statuses) {
  const Answer& answer = statuses == Statuses::kStrict ? step.strict : step.lenient;
  ExpectedLine line{block.instance > 0 ? block.line : step.line, block.plugin, block.at_unload, {}};
  line.pieces.push_back(Literal(std::string(kMark) + std::to_string(step.line) + " " + std::string(step.row->name) + " -> "));
  if (step.row->results.empty()) {
    line.pieces.push_back(Literal("();"));
    return line;
  }
  line.pieces.push_back({.value = answer.status, .status = true});
  for (const Value& value : answer.outputs) {
    line.pieces.push_back(Literal(" "));
    line.pieces.push_back({.value = value});
  }
  line.pieces.push_back({.rest = true});
  return line;
}

/// Takes one value as the guest writes it off `*said`.
std::string_view TakeShown(std::string_view* said) {
  size_t end = 0;
  if (said->starts_with('"')) {
    end = said->find('"', 1);
    end = end == said->npos ? said->size() : end + 1;
  } else {
    end = std::min(said->find_first_of(" ,);"), said->size());
  }
  const std::string_view taken = said->substr(0, end);
  said->remove_prefix(end);
  return taken;
}

bool HasPairs(std::string_view shown, const HeaderList& wanted) {
  size_t end = 0;
  const auto bytes = shown.starts_with('"') ? scenarios::Quoted(shown, &end) : std::nullopt;
  if (!bytes) return false;
  const auto pairs = proxy_wasm::ParsePairs(*bytes, {.pairs = 1000, .bytes = 1 << 20});
  if (!pairs) return false;
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& one) {
    return std::any_of(pairs->begin(), pairs->end(), [&](const auto& pair) { return pair.first == one.first && pair.second == one.second; });
  });
}

/// Bytes as a guest shows them, without the quote behind them.
std::string Opening(std::string_view bytes) {
  std::string shown = Shown(bytes);
  shown.pop_back();
  return shown;
}

bool Fits(const Value& value, std::string_view shown, Variables* variables) {
  switch (value.kind) {
    case Kind::kAny: return true;
    case Kind::kNumber: return shown == std::to_string(value.number);
    case Kind::kNot: return shown != std::to_string(value.number);
    case Kind::kEnd: return false;
    case Kind::kBytes:
    case Kind::kPairs: return shown == Shown(value.Bytes());
    case Kind::kPrefix: return shown.starts_with(Opening(value.text));
    case Kind::kSomePairs: return HasPairs(shown, value.pairs);
    case Kind::kVariable: return variables->emplace(value.text, shown).first->second == shown;
  }
  return false;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("\\.+*?()[]{}^$|").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

/// `shown`, without the quotes around it, as a regular expression.
std::string Inside(std::string_view bytes) {
  const std::string shown = Shown(bytes);
  return Escaped(std::string_view(shown).substr(1, shown.size() - 2));
}

std::string PatternOf(const Value& value, Variables* seen) {
  constexpr const char* kAnything = R"((?:"[^"\n]*"|[^ ,);\n]+))";
  switch (value.kind) {
    case Kind::kAny: return kAnything;
    case Kind::kEnd:
    case Kind::kNumber: return std::to_string(value.number);
    case Kind::kNot: return "(?!" + std::to_string(value.number) + R"(\b)\d+)";
    case Kind::kBytes:
    case Kind::kPairs: return Escaped(Shown(value.Bytes()));
    case Kind::kVariable: return seen->emplace(value.text, "").second ? "(?P<" + value.text + ">" + kAnything + ")" : "(?P=" + value.text + ")";
    case Kind::kPrefix: return Escaped(Opening(value.text)) + R"([^"\n]*")";
    case Kind::kSomePairs: break;
  }
  std::string pattern;  // somewhere in it each name with its value, ended by zero bytes
  for (const auto& [name, one] : value.pairs) pattern += R"((?=[^"\n]*)" + Inside(name) + R"(\\x00)" + Inside(one) + R"(\\x00))";
  return "\"" + pattern + R"([^"\n]*")";
}

}  // namespace

std::vector<ExpectedLine> ExpectedLines(const Case& one, proxy_wasm::Version version, Statuses statuses) {
  std::vector<ExpectedLine> lines;
  std::map<std::pair<size_t, std::string>, size_t> again;  // of a new instance: how many blocks of that callback were used
  size_t instance = 0;
  for (const Block& block : one.blocks) {
    if (block.nested) continue;  // said where its step stands
    const Block* from = &block;
    if (block.instance > 0) {
      if (std::exchange(instance, block.instance) != block.instance) again.clear();
      size_t skip = again[{block.plugin, block.function}]++;
      for (const Block& earlier : one.blocks) {
        if (earlier.instance > 0 || earlier.plugin != block.plugin || earlier.function != block.function) continue;
        if (skip-- == 0) {
          from = &earlier;
          break;
        }
      }
    }
    if (block.nested) continue;  // where its step stands
    lines.push_back(OfBlock(block, version));
    auto add = [&](const Block& of, auto& again) -> bool {  // false: the guest is dead
      for (const Step& step : of.steps) {
        if (step.kind == Step::Kind::kTrap || step.kind == Step::Kind::kLoop) return false;
        if (step.kind == Step::Kind::kCall && step.row->name == "proc_exit") return false;
        if (step.kind == Step::Kind::kCall) lines.push_back(OfStep(block, step, statuses));
        if (step.kind != Step::Kind::kNested) continue;
        lines.push_back(OfBlock(one.blocks[step.nested], version));
        if (!again(one.blocks[step.nested], again)) return false;
      }
      return true;
    };
    add(*from, add);
  }
  return lines;
}

bool Matches(const ExpectedLine& expected, std::string_view said, Variables* variables) {
  for (const Piece& piece : expected.pieces) {
    if (piece.rest) return said.ends_with(';');
    if (!piece.text.empty()) {
      if (!said.starts_with(piece.text)) return false;
      said.remove_prefix(piece.text.size());
    } else if (!Fits(piece.value, TakeShown(&said), variables)) {
      return false;
    }
  }
  return said.empty();
}

std::string Readable(const ExpectedLine& expected) {
  std::string text;
  for (const Piece& piece : expected.pieces) {
    const Kind kind = piece.value.kind;
    if (piece.rest) continue;
    if (!piece.text.empty()) {
      text += piece.text;
    } else if (piece.status && (kind == Kind::kNumber || kind == Kind::kNot)) {
      text += (kind == Kind::kNot ? "!" : "") + StatusName(piece.value.number);
    } else {
      text += Written(piece.value);
    }
  }
  if (text.ends_with(';')) text.pop_back();
  return text.substr(kMark.size());
}

std::string Readable(std::string_view said) {
  std::string text(said.substr(std::min(kMark.size(), said.size())));
  if (text.ends_with(';')) text.pop_back();
  const size_t arrow = text.find(" -> ");
  if (arrow == text.npos) return text;
  size_t end = arrow + 4;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  const auto status = scenarios::Number(std::string_view(text).substr(arrow + 4, end - arrow - 4));
  return status ? text.substr(0, arrow + 4) + StatusName(int64_t(*status)) + text.substr(end) : text;
}

std::string Pattern(const ExpectedLine& expected, Variables* seen) {
  std::string pattern;
  for (const Piece& piece : expected.pieces) {
    if (piece.rest) {
      pattern += "[^\\n]*;";
    } else {
      pattern += piece.text.empty() ? PatternOf(piece.value, seen) : Escaped(piece.text);
    }
  }
  return pattern;
}

std::vector<std::string> Judge(const std::vector<ExpectedLine>& expected, const std::vector<std::string>& said) {
  Variables variables;
  size_t i = 0;
  while (i < expected.size() && i < said.size() && Matches(expected[i], said[i], &variables)) ++i;
  if (i == expected.size() && i == said.size()) return {};
  const std::string line = i < expected.size() ? "line " + std::to_string(expected[i].line) : "after the last line";
  return {line + "\n  expected  " + (i < expected.size() ? Readable(expected[i]) : "nothing more") + "\n  got       " +
          (i < said.size() ? Readable(said[i]) : "nothing more")};
}

}  // namespace weir::conformance
