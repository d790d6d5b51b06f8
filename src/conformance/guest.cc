#include "conformance/guest.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "proxy_wasm/host_functions.h"

namespace weir::conformance {
namespace {

using abi::Param;
using abi::Role;
using proxy_wasm::Version;

// Memory: 64 return pointers, 256 buffers that the host fills, 1024 the line that is built, 8192 strings, then the heap.
constexpr uint32_t kReturns = 64, kBuffer = 256, kStrings = 8192;

// $begin: a new line; $lit, $byte: text and a byte of it; $num: a signed number; $bytes: as Shown() writes them; $flush: to the log.
constexpr std::string_view kRuntime = R"(
(global $at (mut i32) (i32.const 1024))
(func $begin (global.set $at (i32.const 1024)))
(func $byte (param $c i32)
  (if (i32.lt_u (global.get $at) (i32.const 8000)) (then
    (i32.store8 (global.get $at) (local.get $c)) (global.set $at (i32.add (global.get $at) (i32.const 1))))))
(func $lit (param $p i32) (param $n i32) (local $end i32)
  (local.set $end (i32.add (local.get $p) (local.get $n)))
  (block $done (loop $next
    (br_if $done (i32.eq (local.get $p) (local.get $end)))
    (call $byte (i32.load8_u (local.get $p)))
    (local.set $p (i32.add (local.get $p) (i32.const 1)))
    (br $next))))
(func $digits (param $n i64)
  (if (i64.ge_u (local.get $n) (i64.const 10)) (then (call $digits (i64.div_u (local.get $n) (i64.const 10)))))
  (call $byte (i32.wrap_i64 (i64.add (i64.rem_u (local.get $n) (i64.const 10)) (i64.const 48)))))
(func $num (param $n i64)
  (if (i64.lt_s (local.get $n) (i64.const 0)) (then
    (call $byte (i32.const 45)) (local.set $n (i64.sub (i64.const 0) (local.get $n)))))
  (call $digits (local.get $n)))
(func $hex (param $n i32) (local $d i32)
  (local.set $d (i32.and (local.get $n) (i32.const 15)))
  (call $byte (i32.add (local.get $d) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $d) (i32.const 10))))))
(func $bytes (param $p i32) (param $n i32) (local $end i32) (local $c i32) (local $h i32)
  (local.set $end (i32.add (local.get $p) (local.get $n)))
  (if (i32.gt_u (local.get $n) (i32.const 300)) (then
    (call $byte (i32.const 35)) (call $digits (i64.extend_i32_u (local.get $n))) (call $byte (i32.const 58))
    (local.set $h (i32.const -2128831035))
    (block $hashed (loop $hash
      (br_if $hashed (i32.eq (local.get $p) (local.get $end)))
      (local.set $h (i32.mul (i32.xor (local.get $h) (i32.load8_u (local.get $p))) (i32.const 16777619)))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (br $hash)))
    (local.set $c (i32.const 32))
    (loop $nibble
      (local.set $c (i32.sub (local.get $c) (i32.const 4)))
      (call $hex (i32.shr_u (local.get $h) (local.get $c)))
      (br_if $nibble (local.get $c)))
    (return)))
  (call $byte (i32.const 34))
  (block $done (loop $next
    (br_if $done (i32.eq (local.get $p) (local.get $end)))
    (local.set $c (i32.load8_u (local.get $p)))
    (if (i32.or (i32.or (i32.lt_u (local.get $c) (i32.const 32)) (i32.gt_u (local.get $c) (i32.const 126)))
                (i32.or (i32.eq (local.get $c) (i32.const 34)) (i32.eq (local.get $c) (i32.const 92))))
      (then (call $byte (i32.const 92)) (call $byte (i32.const 120))
            (call $hex (i32.shr_u (local.get $c) (i32.const 4))) (call $hex (local.get $c)))
      (else (call $byte (local.get $c))))
    (local.set $p (i32.add (local.get $p) (i32.const 1)))
    (br $next)))
  (call $byte (i32.const 34)))
(func $flush (call $byte (i32.const 59))
  (drop (call $proxy_log (i32.const 2) (i32.const 1024) (i32.sub (global.get $at) (i32.const 1024)))))
(func $alloc (param $n i32) (result i32) (local $here i32) (local $have i32)
  (local.set $here (global.get $heap))
  (global.set $heap (i32.and (i32.add (i32.add (local.get $here) (local.get $n)) (i32.const 15)) (i32.const -16)))
  (local.set $have (i32.mul (memory.size) (i32.const 65536)))
  (if (i32.gt_u (global.get $heap) (local.get $have)) (then
    (if (i32.eq (memory.grow (i32.div_u (i32.add (i32.sub (global.get $heap) (local.get $have)) (i32.const 65535)) (i32.const 65536)))
                (i32.const -1)) (then (return (i32.const 0))))))
  (local.get $here))
)";

std::string I32(int64_t number) { return "(i32.const " + std::to_string(int32_t(uint32_t(number))) + ")"; }

/// What a guest of its own writes for the marker of the ABI that it runs with.
constexpr std::string_view kMarker = "$abi";
std::string MarkerOf(Version version) {
  std::string marker = "proxy_abi_version_" + std::string(proxy_wasm::Name(version));
  std::replace(marker.begin(), marker.end(), '.', '_');
  return marker;
}

class Writer {
 public:
  Writer(const Case& one, size_t plugin, Version version) : case_(one), plugin_(plugin), version_(version) {}

  std::string Run() {
    Use("env", *FindLog());
    std::string functions;
    std::set<std::string> done;
    auto add = [&](const std::string& name) {
      if (done.insert(name).second) functions += Function(name);
    };
    const CasePlugin& plugin = case_.plugins[plugin_];
    for (const Block& block : case_.blocks)
      if (block.plugin == plugin_) add(block.function);
    for (const std::string& name : plugin.exports) add(name);
    for (const std::string& name : plugin.ignored) add(name);
    const bool allocates = done.contains("proxy_on_memory_allocate") || done.contains("malloc");
    if (plugin.allocator && !allocates)
      functions += "(func (export \"proxy_on_memory_allocate\") (param i32) (result i32) (call $alloc (local.get 0)))\n";
    for (const std::string& variable : plugin.variables) globals_ += "(global $v_" + variable + " (mut i64) (i64.const 0))\n";
    const uint64_t heap = (kStrings + data_.size() + 15) & ~uint64_t{15}, pages = std::max<uint64_t>(4, heap / 65536 + 2);
    globals_ += "(global $heap (mut i32) " + I32(int64_t(heap)) + ")\n";
    std::string text = "(module\n" + imports_ + "(memory (export \"memory\") " + std::to_string(pages) + ")\n(func (export \"" + MarkerOf(version_) + "\"))\n" + globals_ + std::string(kRuntime) + functions;
    // The allocator's first address, again before each callback: what the host wrote for the last one is not needed any more.
    text += "(func $fresh (global.set $heap " + I32(int64_t(heap)) + "))\n(data " + I32(kStrings) + " \"" + Escaped(data_) + "\"))\n";
    return text;
  }

 private:
  static const abi::HostFunction* FindLog() {
    for (const abi::HostFunction& row : proxy_wasm::HostFunctions())
      if (row.name == "proxy_log") return &row;
    return nullptr;
  }
  static std::string Escaped(std::string_view bytes) {
    std::string text;
    char hex[4];
    for (unsigned char c : bytes) {
      std::snprintf(hex, sizeof hex, "\\%02x", c);
      const bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
      text += plain ? std::string(1, char(c)) : hex;
    }
    return text;
  }

  /// The import's name in the text.
  std::string Use(std::string_view module, const abi::HostFunction& row) {
    std::string id = "$" + std::string(row.name) + (row.results.empty() ? "_nothing" : "");
    if (row.name == "proxy_log") id = "$proxy_log";
    if (!used_.insert(id).second) return id;
    imports_ += "(import \"" + std::string(module) + "\" \"" + std::string(row.name) + "\" (func " + id + " (param";
    for (auto type : row.types) imports_ += type == engine::ValType::kI64 ? " i64" : " i32";
    imports_ += std::string(")") + (row.results.empty() ? "" : " (result i32)") + "))\n";
    return id;
  }
  /// The address of `bytes` in the guest.
  uint32_t Place(std::string_view bytes) {
    size_t at = data_.find(bytes);
    if (at == data_.npos || bytes.empty()) {
      at = data_.size();
      data_ += bytes;
    }
    return kStrings + uint32_t(at);
  }
  std::string Lit(std::string_view text) {
    return "(call $lit " + I32(Place(text)) + " " + I32(int64_t(text.size())) + ")\n";
  }

  std::string Number(const Value& value, engine::ValType type) const {
    const bool wide = type == engine::ValType::kI64;
    switch (value.kind) {
      case Value::Kind::kEnd: {
        const std::string end = "(i32.add (i32.mul (memory.size) (i32.const 65536)) " + I32(value.number) + ")";
        return wide ? "(i64.extend_i32_u " + end + ")" : end;
      }
      case Value::Kind::kVariable: {
        const std::string variable = "(global.get $v_" + value.text + ")";
        return wide ? variable : "(i32.wrap_i64 " + variable + ")";
      }
      default: return wide ? "(i64.const " + std::to_string(value.number) + ")" : I32(value.number);
    }
  }

  /// The Wasm arguments of a call.
  std::vector<std::string> Args(const Step& step) {
    std::vector<std::string> args;
    uint32_t returns = kReturns;
    for (size_t i = 0; i < step.row->params.size(); ++i) {
      const Param& param = step.row->params[i];
      const Value& value = step.args[i];
      const bool bytes = value.kind == Value::Kind::kBytes || value.kind == Value::Kind::kPairs;
      if (value.kind != Value::Kind::kAny && !bytes) {
        args.push_back(Number(value, param.type));
      } else if (param.role == Role::kData && bytes) {
        const std::string all = value.Bytes();
        uint32_t at = Place(all);
        if (param.bytes == 8) {  // one vector of bytes, as fd_write has them
          const uint32_t vector[2] = {at, uint32_t(all.size())};
          while (data_.size() % 4 != 0) data_ += '\0';
          at = Place(std::string(reinterpret_cast<const char*>(vector), sizeof vector));
        }
        args.push_back(I32(at));
        if (step.args[i + 1].kind == Value::Kind::kAny) {
          args.push_back(I32(param.bytes == 8 ? 1 : int64_t(all.size())));
          ++i;
        }
      } else if (param.role == Role::kReturn) {
        args.push_back(I32(returns));
        returns += (param.bytes + 7u) & ~7u;
      } else {
        args.push_back(I32(param.role == Role::kBuffer ? kBuffer : 0));
      }
    }
    return args;
  }

  /// Writes the outputs of a call that answered OK.
  std::string Outputs(const Step& step, const std::vector<std::string>& args) {
    std::string code;
    size_t output = 0;
    for (size_t i = 0; i < step.row->params.size(); ++i) {
      const Param& param = step.row->params[i];
      if (param.role != Role::kReturn || (param.bytes != 4 && param.bytes != 8)) continue;
      code += "(call $byte (i32.const 32))";
      const std::string_view name = step.row->args[i];
      const bool bytes = name.ends_with("_data") && i + 1 < step.row->params.size() && step.row->params[i + 1].role == Role::kReturn;
      if (bytes) {
        code += "(call $bytes (i32.load " + args[i] + ") (i32.load " + args[i + 1] + "))\n";
        ++i;
      } else {
        const std::string load = param.bytes == 8 ? "(i64.load " + args[i] + ")" : "(i64.extend_i32_u (i32.load " + args[i] + "))";
        for (const Answer* answer : {&step.strict, &step.lenient}) {
          if (output >= answer->outputs.size() || answer->outputs[output].kind != Value::Kind::kVariable) continue;
          code += "(global.set $v_" + answer->outputs[output].text + " " + load + ")";
          break;
        }
        code += "(call $num " + load + ")\n";
      }
      ++output;
    }
    return code;
  }

  std::string Code(const Step& step) {
    if (step.kind == Step::Kind::kNested) return "";
    if (step.kind == Step::Kind::kTrap) return "(unreachable)\n";
    if (step.kind == Step::Kind::kLoop) return "(loop $forever (br $forever))\n";
    const std::vector<std::string> args = Args(step);
    std::string call = "(call " + Use(step.module, *step.row);
    for (const std::string& arg : args) call += " " + arg;
    call += ")";
    const bool result = !step.row->results.empty();
    std::string code = result ? "(local.set $s " + call + ")\n" : call + "\n";
    code += "(call $begin)" + Lit(std::string(kMark) + std::to_string(step.line) + " " + std::string(step.row->name) + " -> ");
    if (!result) return code + Lit("()") + "(call $flush)\n";
    code += "(call $num (i64.extend_i32_u (local.get $s)))";
    if (const std::string outputs = Outputs(step, args); !outputs.empty()) code += "(if (i32.eqz (local.get $s)) (then\n" + outputs + "))";
    return code + "(call $flush)\n";
  }

  /// The line that says that `name` was called, with its arguments.
  std::string Said(const std::string& name, size_t params) {
    std::string code = "(call $begin)" + Lit(std::string(kMark) + name + "(");
    for (size_t i = 0; i < params; ++i) {
      if (i > 0) code += Lit(", ");
      code += "(call $num (i64.extend_i32_u (local.get " + std::to_string(i) + ")))";
    }
    return code + Lit(")") + "(call $flush)\n";
  }

  std::string Returned(const std::string& name, const ExportRow& row, const Block* block) {
    if (!row.result) return "(return)";
    if (block != nullptr && block->returns) return "(return " + Number(*block->returns, engine::ValType::kI32) + ")";
    const bool allocator = name == "proxy_on_memory_allocate" || name == "malloc";
    return allocator ? "(return (call $alloc (local.get 0)))" : "(return " + I32(row.returns) + ")";
  }

  std::string Function(const std::string& name) {
    const ExportRow& row = *FindExport(name);
    const size_t params = row.count(version_);
    const bool allocator = name == "proxy_on_memory_allocate" || name == "malloc";
    const std::string count = "$n_" + name;
    globals_ += "(global " + count + " (mut i32) (i32.const 0))\n";
    std::string text = "(func (export \"" + name + "\") (param";
    for (size_t i = 0; i < params; ++i) text += " i32";
    text += std::string(")") + (row.result ? " (result i32)" : "") + " (local $s i32)\n" + (allocator ? "" : "(call $fresh)\n");
    std::string blocks;
    int64_t number = 0;
    for (const Block& block : case_.blocks) {
      if (block.plugin != plugin_ || block.function != name || block.instance > 0) continue;
      if (block.held && params == 3)
        text += "(if (i32.and (i32.eq (global.get " + count + ") " + I32(number) + ") (i32.eqz (local.get 2))) (then (return (i32.const 1))))\n";
      ++number;
      blocks += "(if (i32.eq (global.get " + count + ") " + I32(number) + ") (then\n" + Said(name, params);
      for (const auto& [i, value] : Captures(block, params))
        blocks += "(global.set $v_" + value + " (i64.extend_i32_u (local.get " + std::to_string(i) + ")))\n";
      for (const Step& step : block.steps) blocks += Code(step);
      blocks += Returned(name, row, &block) + "))\n";
    }
    const auto& ignored = case_.plugins[plugin_].ignored;
    const bool quiet = std::find(ignored.begin(), ignored.end(), name) != ignored.end();
    text += "(global.set " + count + " (i32.add (global.get " + count + ") (i32.const 1)))\n" + blocks;
    return text + (quiet ? "" : Said(name, params)) + Returned(name, row, nullptr) + ")\n";
  }
  static std::vector<std::pair<size_t, std::string>> Captures(const Block& block, size_t params) {
    std::vector<std::pair<size_t, std::string>> captures;
    for (size_t i = 0; i < block.args.size() && i < params; ++i)
      if (block.args[i].kind == Value::Kind::kVariable) captures.emplace_back(i, block.args[i].text);
    return captures;
  }

  const Case& case_;
  const size_t plugin_;
  const Version version_;
  std::string imports_, globals_, data_;
  std::set<std::string> used_;
};

}  // namespace

std::string GuestWat(const Case& one, size_t plugin, Version version) {
  plugin = one.plugins[plugin].guest_of.value_or(plugin);
  std::string own = one.plugins[plugin].wat;
  if (own.empty()) return Writer(one, plugin, version).Run();
  if (const size_t at = own.find(kMarker); at != own.npos) own.replace(at, kMarker.size(), MarkerOf(version));
  return own;
}

}  // namespace weir::conformance
