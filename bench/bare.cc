#include "bare.h"

#include <wasmtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

namespace weir::bench {
namespace {

constexpr uint64_t kFarDeadline = 1'000'000;  // ticks; nobody ticks this engine

void Die(wasmtime_error_t* error, wasm_trap_t* trap, const char* where) {
  if (!error && !trap) return;
  wasm_byte_vec_t message;
  if (error) {
    wasmtime_error_message(error, &message);
  } else {
    wasm_trap_message(trap, &message);
  }
  std::fprintf(stderr, "%s: %.*s\n", where, static_cast<int>(message.size), message.data);
  std::exit(1);
}

wasm_functype_t* I32s(int params, int results) {
  std::vector<wasm_valtype_t*> in, out;
  for (int i = 0; i < params; ++i) in.push_back(wasm_valtype_new(WASM_I32));
  for (int i = 0; i < results; ++i) out.push_back(wasm_valtype_new(WASM_I32));
  wasm_valtype_vec_t in_vec, out_vec;
  wasm_valtype_vec_new(&in_vec, in.size(), in.data());
  wasm_valtype_vec_new(&out_vec, out.size(), out.data());
  return wasm_functype_new(&in_vec, &out_vec);
}

}  // namespace

struct Bare::State {
  wasm_engine_t* engine = nullptr;
  wasmtime_module_t* module = nullptr;
  wasmtime_linker_t* linker = nullptr;
  wasmtime_store_t* store = nullptr;
  wasmtime_context_t* context = nullptr;
  wasmtime_instance_t instance;
  wasmtime_memory_t memory;
  wasmtime_func_t allocate, create, request, response, done, log, remove;
  std::string path = "/index.html?x=1", agent = "curl/8.1 something longer";
  std::vector<std::pair<std::string, std::string>> headers;
  uint32_t next_id = 2;

  static wasm_trap_t* GetHeader(void* env, wasmtime_caller_t* caller, wasmtime_val_raw_t* slots, size_t) {
    State& self = *static_cast<State*>(env);
    wasmtime_context_t* context = wasmtime_caller_context(caller);
    uint8_t* base = wasmtime_memory_data(context, &self.memory);
    const std::string_view key(reinterpret_cast<char*>(base) + slots[1].i32, slots[2].i32);
    const std::string& value = key == ":path" ? self.path : self.agent;
    const uint32_t to = slots[3].i32, to_size = slots[4].i32, size = static_cast<uint32_t>(value.size());
    wasmtime_val_raw_t allocated[1];
    allocated[0].i32 = static_cast<int32_t>(size);
    wasm_trap_t* trap = nullptr;
    Die(wasmtime_func_call_unchecked(context, &self.allocate, allocated, 1, &trap), trap, "allocate");
    base = wasmtime_memory_data(context, &self.memory);
    std::memcpy(base + allocated[0].i32, value.data(), size);
    std::memcpy(base + to, &allocated[0].i32, 4);
    std::memcpy(base + to_size, &size, 4);
    slots[0].i32 = 0;
    return nullptr;
  }
  static wasm_trap_t* AddHeader(void* env, wasmtime_caller_t* caller, wasmtime_val_raw_t* slots, size_t) {
    State& self = *static_cast<State*>(env);
    char* base = reinterpret_cast<char*>(wasmtime_memory_data(wasmtime_caller_context(caller), &self.memory));
    self.headers.emplace_back(std::string(base + slots[1].i32, slots[2].i32), std::string(base + slots[3].i32, slots[4].i32));
    slots[0].i32 = 0;
    return nullptr;
  }
  wasmtime_extern_t Find(const char* name) {
    wasmtime_extern_t found;
    if (wasmtime_instance_export_get(context, &instance, name, std::strlen(name), &found)) return found;
    std::fprintf(stderr, "the guest has no export %s\n", name);
    std::exit(1);
  }
  void Call(wasmtime_func_t* function, uint32_t a, uint32_t b, uint32_t c, size_t count) {
    wasmtime_val_raw_t slots[3];
    slots[0].i32 = static_cast<int32_t>(a), slots[1].i32 = static_cast<int32_t>(b), slots[2].i32 = static_cast<int32_t>(c);
    wasm_trap_t* trap = nullptr;
    wasmtime_error_t* error = wasmtime_func_call_unchecked(context, function, slots, count, &trap);
    if (error || trap) [[unlikely]] Die(error, trap, "call");
  }
};

Bare::Bare(std::string_view wasm) : state_(std::make_unique<State>()) {
  State& s = *state_;
  wasm_config_t* config = wasm_config_new();
  wasmtime_config_epoch_interruption_set(config, true);  // so that the code is the same as Weir's
  s.engine = wasm_engine_new_with_config(config);
  Die(wasmtime_module_new(s.engine, reinterpret_cast<const uint8_t*>(wasm.data()), wasm.size(), &s.module), nullptr, "module");
  s.linker = wasmtime_linker_new(s.engine);
  const struct {
    const char* name;
    wasmtime_func_unchecked_callback_t function;
  } imports[] = {{"proxy_get_header_map_value", State::GetHeader}, {"proxy_add_header_map_value", State::AddHeader}};
  for (const auto& import : imports) {
    Die(wasmtime_linker_define_func_unchecked(s.linker, "env", 3, import.name, std::strlen(import.name), I32s(5, 1),
                                              import.function, &s, nullptr),
        nullptr, import.name);
  }
  s.store = wasmtime_store_new(s.engine, nullptr, nullptr);
  s.context = wasmtime_store_context(s.store);
  wasmtime_context_set_epoch_deadline(s.context, kFarDeadline);
  wasm_trap_t* trap = nullptr;
  Die(wasmtime_linker_instantiate(s.linker, s.context, s.module, &s.instance, &trap), trap, "instantiate");
  s.memory = s.Find("memory").of.memory;
  s.allocate = s.Find("proxy_on_memory_allocate").of.func;
  s.create = s.Find("proxy_on_context_create").of.func;
  s.request = s.Find("proxy_on_request_headers").of.func;
  s.response = s.Find("proxy_on_response_headers").of.func;
  s.done = s.Find("proxy_on_done").of.func;
  s.log = s.Find("proxy_on_log").of.func;
  s.remove = s.Find("proxy_on_delete").of.func;
}

Bare::~Bare() {
  wasmtime_store_delete(state_->store);
  wasmtime_linker_delete(state_->linker);
  wasmtime_module_delete(state_->module);
  wasm_engine_delete(state_->engine);
}

void Bare::Stream() {
  State& s = *state_;
  const uint32_t id = s.next_id++;
  s.headers.clear();
  s.Call(&s.create, id, 1, 0, 2);
  s.Call(&s.request, id, 3, 1, 3);
  s.Call(&s.response, id, 3, 1, 3);
  s.Call(&s.done, id, 0, 0, 1);
  s.Call(&s.log, id, 0, 0, 1);
  s.Call(&s.remove, id, 0, 0, 1);
}

void Bare::EmptyCall() { state_->Call(&state_->response, 2, 3, 1, 3); }

size_t Bare::added() const { return state_->headers.size(); }

}  // namespace weir::bench
