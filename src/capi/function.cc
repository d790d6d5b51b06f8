// Host functions in C, and what they may ask of the plugin that calls them.
#include <array>
#include <cstring>

#include "capi/handles.h"
#include "extism/utf8.h"

namespace weir::capi {
namespace {

// WebAssembly's own limit of an implementation, for parameters and for results.
constexpr ExtismSize kTypesMax = 1000;

/// Freed once, by the last function, compiled plugin or plugin that holds it.
class UserData {
 public:
  UserData(void* data, void (*free)(void*)) : data_(data), free_(free) {}
  ~UserData() {
    if (data_ != nullptr && free_ != nullptr) free_(data_);
  }
  UserData(const UserData&) = delete;
  void* get() const { return data_; }

 private:
  void* const data_;
  void (*const free_)(void*);
};

/// As a number: C may have put any there, and C++ may not read such a value as its enum.
uint32_t NumberOf(const ExtismValType* type) {
  uint32_t number;
  static_assert(sizeof number == sizeof *type);
  std::memcpy(&number, type, sizeof number);
  return number;
}

/// False: a type among them is none that a host function can have.
bool ReadTypes(const ExtismValType* types, ExtismSize count, std::vector<extism::ValType>* out) {
  if (types == nullptr) return true;
  for (ExtismSize i = 0; i < count; ++i) {
    const uint32_t type = NumberOf(types + i);
    if (type > ExtismValType_F64) return false;
    out->push_back(static_cast<extism::ValType>(type));
  }
  return true;
}

ExtismVal ToC(extism::ValType type, const extism::Value& value) {
  ExtismVal out{static_cast<ExtismValType>(type), {}};
  out.v.i64 = 0;
  switch (type) {
    case extism::ValType::kI32: out.v.i32 = static_cast<int32_t>(value.i32); break;
    case extism::ValType::kI64: out.v.i64 = static_cast<int64_t>(value.i64); break;
    case extism::ValType::kF32: out.v.f32 = value.f32; break;
    case extism::ValType::kF64: out.v.f64 = value.f64; break;
  }
  return out;
}

void FromC(extism::ValType type, const ExtismVal& value, extism::Value* out) {
  switch (type) {
    case extism::ValType::kI32: out->i32 = static_cast<uint32_t>(value.v.i32); break;
    case extism::ValType::kI64: out->i64 = static_cast<uint64_t>(value.v.i64); break;
    case extism::ValType::kF32: out->f32 = value.v.f32; break;
    case extism::ValType::kF64: out->f64 = value.v.f64; break;
  }
}

/// A function of C as the host calls it.
struct Callback {
  ExtismFunctionType function;
  std::shared_ptr<UserData> data;
  std::vector<extism::ValType> params, results;

  Result<void> operator()(extism::CurrentPlugin& plugin, std::span<const extism::Value> in, std::span<extism::Value> out) const {
    std::array<ExtismVal, 16> few;
    std::vector<ExtismVal> many(in.size() + out.size() > few.size() ? in.size() + out.size() : 0);
    ExtismVal* const inputs = many.empty() ? few.data() : many.data();
    ExtismVal* const outputs = inputs + in.size();
    for (size_t i = 0; i < in.size(); ++i) inputs[i] = ToC(params[i], in[i]);
    for (size_t i = 0; i < out.size(); ++i) outputs[i] = ToC(results[i], {.i64 = 0});
    function(Of(plugin), in.empty() ? nullptr : inputs, in.size(), out.empty() ? nullptr : outputs, out.size(), data->get());
    for (size_t i = 0; i < out.size(); ++i) {
      if (NumberOf(&outputs[i].t) != static_cast<uint32_t>(results[i])) return Error{ErrorCode::kTrapped, "function attempted to return an incompatible value"};
      FromC(results[i], outputs[i], &out[i]);
    }
    return {};
  }
};

}  // namespace
}  // namespace weir::capi

using weir::capi::Of;

extern "C" {

ExtismFunction* extism_function_new(const char* name, const ExtismValType* inputs, ExtismSize n_inputs, const ExtismValType* outputs, ExtismSize n_outputs,
                                    ExtismFunctionType func, void* user_data, void (*free_user_data)(void*)) {
  using namespace weir;
  if (name == nullptr || func == nullptr || extism::Utf8Fault(name)) return nullptr;
  if (n_inputs > capi::kTypesMax || n_outputs > capi::kTypesMax) return nullptr;
  auto* f = new ExtismFunction;
  capi::Callback callback{func, std::make_shared<capi::UserData>(user_data, free_user_data), {}, {}};
  f->good_types = capi::ReadTypes(inputs, n_inputs, &callback.params) && capi::ReadTypes(outputs, n_outputs, &callback.results);
  f->function = extism::HostFunction{.name = name, .params = callback.params, .results = callback.results};
  f->function->call = std::move(callback);
  return f;
}

void extism_function_free(ExtismFunction* f) { delete f; }

void extism_function_set_namespace(ExtismFunction* ptr, const char* namespace_) {
  if (ptr == nullptr || namespace_ == nullptr) return;
  std::lock_guard lock(ptr->mutex);
  if (ptr->function) ptr->function->module = namespace_;
}

uint8_t* extism_current_plugin_memory(ExtismCurrentPlugin* plugin) { return plugin == nullptr ? nullptr : Of(plugin)->memory(); }

ExtismMemoryHandle extism_current_plugin_memory_alloc(ExtismCurrentPlugin* plugin, ExtismSize n) { return plugin == nullptr ? 0 : Of(plugin)->Alloc(n); }

ExtismSize extism_current_plugin_memory_length(ExtismCurrentPlugin* plugin, ExtismMemoryHandle n) { return plugin == nullptr ? 0 : Of(plugin)->Length(n); }

void extism_current_plugin_memory_free(ExtismCurrentPlugin* plugin, ExtismMemoryHandle ptr) {
  if (plugin != nullptr) Of(plugin)->Free(ptr);
}

void* extism_current_plugin_host_context(ExtismCurrentPlugin* plugin) { return plugin == nullptr ? nullptr : Of(plugin)->host_context(); }

}  // extern "C"
