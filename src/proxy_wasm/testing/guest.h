// Small guests from WebAssembly text: a test says what each callback does, the rest (imports, memory, allocator, marker) follows
// from the tables.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/host_functions.h"
#include "proxy_wasm/link.h"
#include "proxy_wasm/plugin.h"
#include "proxy_wasm/testing/fake_world.h"

namespace weir::proxy_wasm::testing {

inline constexpr std::string_view kPut = "(i32.const 512) (i32.const 516)";  ///< where return pointers point
inline constexpr std::string_view kGot = "(i32.load (i32.const 512)) (i32.load (i32.const 516))";
inline constexpr uint32_t kMemoryBytes = 2 * 65536;

class Guest {
 public:
  /// Bytes in the guest's memory: "(i32.const address) (i32.const size)".
  std::string S(std::string_view bytes) {
    const std::string here = "(i32.const " + std::to_string(1024 + data_.size()) + ") (i32.const " + std::to_string(bytes.size()) + ")";
    data_ += bytes;
    return here;
  }
  /// `code` runs in `callback`, which then returns `result`. Parameters are $0, $1 …
  Guest& On(Callback callback, std::string code, std::string result = "(i32.const 0)") {
    code_[callback] = {std::move(code), std::move(result)};
    return *this;
  }
  /// Reports a status to FakeTimers::periods.
  static std::string Report(std::string_view call) {
    return "(drop (call $proxy_set_tick_period_milliseconds " + std::string(call) + "))";
  }
  /// Calls and drops the status.
  static std::string Do(std::string_view call) { return "(drop " + std::string(call) + ")"; }
  static std::string Log(std::string_view data_and_size) {
    return "(drop (call $proxy_log (i32.const 2) " + std::string(data_and_size) + "))";
  }
  std::string Wat() const {
    std::string text = "(module\n", body;
    for (const auto& [callback, code] : code_) body += Function(kCallbackRows[size_t(callback)], code);
    body += more;
    std::string last;
    for (const abi::HostFunction& row : HostFunctions()) {
      const std::string id = "$" + std::string(row.name);
      if (row.name == last || (row.versions & uint8_t(version)) == 0 || (body.find(id + " ") == body.npos && body.find(id + ")") == body.npos)) continue;
      last = row.name;
      text += "(import \"env\" \"" + std::string(row.name) + "\" (func " + id + " (param";
      for (auto type : row.types) text += type == engine::ValType::kI64 ? " i64" : " i32";
      text += ")" + std::string(row.results.empty() ? "" : " (result i32)") + "))\n";
    }
    text += "(memory (export \"memory\") 2)\n(func (export \"proxy_abi_version_" + std::string(Marker()) + "\"))\n";
    if (allocator.empty()) {  // a ring from 64 KiB on
      text += "(global $heap (mut i32) (i32.const 65536))\n"
              "(func (export \"proxy_on_memory_allocate\") (param i32) (result i32)\n"
              "(if (i32.gt_u (i32.add (global.get $heap) (local.get 0)) (i32.const 131072)) (then (global.set $heap (i32.const 65536))))\n"
              "(global.get $heap) (global.set $heap (i32.add (global.get $heap) (local.get 0))))\n";
    } else {
      text += allocator;
    }
    text += body + "(data (i32.const 1024) \"";
    for (unsigned char c : data_) {
      char hex[4];
      std::snprintf(hex, sizeof hex, "\\%02x", c);
      text += hex;
    }
    return text + "\"))";
  }
  Version version = Version::k0_2_1;
  std::string allocator;  ///< in place of the ring
  std::string more;       ///< further definitions

 private:
  struct Code {
    std::string body, result;
  };
  std::string_view Marker() const { return version == Version::k0_1_0 ? "0_1_0" : version == Version::k0_2_0 ? "0_2_0" : "0_2_1"; }
  std::string Function(const CallbackRow& row, const Code& code) const {
    size_t params = row.count();
    if (version == Version::k0_1_0 && row.old_params != 0) params = row.old_params;
    std::string text = "(func (export \"" + std::string(row.name) + "\") (param";
    for (size_t i = 0; i < params; ++i) text += " i32";
    text += ")" + std::string(row.result ? " (result i32)" : "") + "\n" + code.body;
    return text + (row.result ? code.result : "") + ")\n";
  }
  std::map<Callback, Code> code_;
  std::string data_;
};

/// One engine for the tests of a program.
inline Engine& TestEngine() {
  static std::unique_ptr<Engine> engine = [] {
    EngineOptions options;
    options.pooling = false;
    auto created = Engine::Create(options);
    if (!created) std::fprintf(stderr, "%s\n", created.error().message.c_str()), std::abort();
    return std::move(*created);
  }();
  return *engine;
}

inline Result<std::shared_ptr<const Module>> CompileWat(std::string_view wat) {
  auto wasm = engine::WatToWasm(wat);
  if (!wasm) return wasm.error();
  return TestEngine().Compile(*wasm, "test.wasm");
}

inline PluginSpec SpecNamed(std::string name) {
  PluginSpec spec;
  spec.name = std::move(name);
  spec.path = "test.wasm";
  return spec;
}

inline Result<std::unique_ptr<Plugin>> LoadWat(std::string_view wat, FakeWorld& world, PluginSpec spec = SpecNamed("t")) {
  WEIR_TRY(auto module, CompileWat(wat));
  auto version = DeclaredVersion(*module);
  if (!version) return Error{ErrorCode::kInvalidModule, "no marker"};
  WEIR_TRY_VOID(CheckModule(*module, *version, "test: "));
  return ProxyWasmPlugin::Load(TestEngine(), std::move(module), *version, std::move(spec), world.host);
}
inline Result<std::unique_ptr<Plugin>> Load(const Guest& guest, FakeWorld& world, PluginSpec spec = SpecNamed("t")) {
  return LoadWat(guest.Wat(), world, std::move(spec));
}

}  // namespace weir::proxy_wasm::testing
