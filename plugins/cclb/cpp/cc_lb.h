// What a cc-lb plugin needs of the protocol, for C++20 without an SDK: identity, handshake, self-check and the envelope of each call.
//
// A plugin imports only the Extism kernel ("extism:host/env"): one that imports WASI or the cc_lb_* host functions cannot be registered.
//
//   cc_lb::Answer Shape(const cc_lb::Json& request) { … }
//   constexpr cc_lb::Function kFunctions[] = {{"shape", Shape, R"({…a sample request…})"}};
//   CC_LB_PLUGIN("my-plugin", "1.0.0", kFunctions)
//   CC_LB_EXPORT(shape, Shape)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

// The library's own of these three would print, and so import WASI. A plugin is one .cc file, so they may stand in a header.
void* operator new(size_t size) {
  void* const room = std::malloc(size);
  if (room == nullptr) __builtin_trap();
  return room;
}
void operator delete(void* room) noexcept { std::free(room); }
_LIBCPP_BEGIN_NAMESPACE_STD
[[noreturn]] void __libcpp_verbose_abort(const char*, ...) noexcept { __builtin_trap(); }
_LIBCPP_END_NAMESPACE_STD

namespace cc_lb {

// ---- the Extism kernel: all it has is blocks of bytes under a handle --------------------------------------------------------
#define CC_LB_KERNEL(name) __attribute__((import_module("extism:host/env"), import_name(#name)))
extern "C" {
CC_LB_KERNEL(input_length) uint64_t cc_lb_input_length();
CC_LB_KERNEL(input_load_u8) uint8_t cc_lb_input_load_u8(uint64_t at);
CC_LB_KERNEL(input_load_u64) uint64_t cc_lb_input_load_u64(uint64_t at);
CC_LB_KERNEL(alloc) uint64_t cc_lb_alloc(uint64_t size);
CC_LB_KERNEL(store_u8) void cc_lb_store_u8(uint64_t at, uint8_t byte);
CC_LB_KERNEL(store_u64) void cc_lb_store_u64(uint64_t at, uint64_t bytes);
CC_LB_KERNEL(output_set) void cc_lb_output_set(uint64_t at, uint64_t size);
CC_LB_KERNEL(error_set) void cc_lb_error_set(uint64_t block);
CC_LB_KERNEL(log_info) void cc_lb_log_info(uint64_t block);
}

inline std::string Input() {
  std::string text(cc_lb_input_length(), '\0');
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    const uint64_t eight = cc_lb_input_load_u64(i);
    __builtin_memcpy(text.data() + i, &eight, 8);
  }
  for (; i < text.size(); ++i) text[i] = static_cast<char>(cc_lb_input_load_u8(i));
  return text;
}

/// A block with these bytes; 0 for none.
inline uint64_t Block(std::string_view bytes) {
  const uint64_t block = cc_lb_alloc(bytes.size());
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t eight;
    __builtin_memcpy(&eight, bytes.data() + i, 8);
    cc_lb_store_u64(block + i, eight);
  }
  for (; i < bytes.size(); ++i) cc_lb_store_u8(block + i, static_cast<uint8_t>(bytes[i]));
  return block;
}

/// A line in the host's log, where it keeps one.
inline void Log(std::string_view line) { cc_lb_log_info(Block(line)); }

// ---- JSON, read in place -------------------------------------------------------------------------------------------------
/// A value as the text that it is in: what a plugin only passes on needs no decoding. The host sends valid JSON, so nothing is checked.
class Json {
 public:
  Json() = default;
  explicit Json(std::string_view text) : text_(text) { Trim(); }
  std::string_view text() const { return text_; }  ///< "" where there is none
  bool IsPresent() const { return !text_.empty() && text_ != "null"; }

  /// The member of an object; names of the protocol have no escapes.
  Json operator[](std::string_view name) const {
    Json found;
    EachMember([&](std::string_view key, Json value) {
      if (key == name) found = value;
    });
    return found;
  }
  /// each(key without its quotes, value)
  template <class F>
  void EachMember(F each) const {
    if (text_.empty() || text_[0] != '{') return;
    for (std::string_view rest = text_.substr(1); Skip(&rest) && rest[0] == '"';) {
      const Json key = Take(&rest);
      Skip(&rest);
      if (rest.empty()) return;
      rest.remove_prefix(1);  // the colon
      each(key.text_.substr(1, key.text_.size() - 2), Take(&rest));
    }
  }
  /// each(value)
  template <class F>
  void EachElement(F each) const {
    if (text_.empty() || text_[0] != '[') return;
    for (std::string_view rest = text_.substr(1); Skip(&rest) && rest[0] != ']';) each(Take(&rest));
  }
  size_t Count() const {
    size_t count = 0;
    EachElement([&](Json) { ++count; });
    return count;
  }

  /// A string as it is between its quotes: escapes stay, so that it may be put between quotes again.
  std::string_view Raw() const { return text_.size() >= 2 && text_[0] == '"' ? text_.substr(1, text_.size() - 2) : std::string_view(); }
  uint64_t Number() const {
    uint64_t value = 0;
    for (const char c : text_) {
      if (c < '0' || c > '9') break;
      value = value * 10 + static_cast<uint64_t>(c - '0');
    }
    return value;
  }
  /// The value of a fraction such as 0.957, in thousandths, rounded down. (Exponents: below 1e-5, so 0, or no share at all.)
  uint64_t Thousandths() const {
    const size_t point = text_.find('.');
    uint64_t value = Number();
    if (text_.find('e') != text_.npos) return text_.find("e-") != text_.npos ? 0 : UINT64_MAX;
    for (size_t i = 1; i <= 3; ++i) {
      const bool digit = point != text_.npos && point + i < text_.size();
      value = value * 10 + (digit ? static_cast<uint64_t>(text_[point + i] - '0') : 0);
    }
    return value;
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
  void Trim() {
    while (!text_.empty() && IsSpace(text_.front())) text_.remove_prefix(1);
    while (!text_.empty() && IsSpace(text_.back())) text_.remove_suffix(1);
  }
  /// Past spaces and commas; false at the end.
  static bool Skip(std::string_view* rest) {
    while (!rest->empty() && (IsSpace(rest->front()) || rest->front() == ',')) rest->remove_prefix(1);
    return !rest->empty();
  }
  /// Past the string that begins at `at`. Bodies are long strings, so this is by memchr: a call's fuel is limited.
  static size_t StringEnd(std::string_view text, size_t at) {
    for (size_t quote = text.find('"', at + 1); quote != text.npos; quote = text.find('"', quote + 1)) {
      size_t slashes = 0;
      while (text[quote - 1 - slashes] == '\\') ++slashes;
      if (slashes % 2 == 0) return quote + 1;
    }
    return text.size();
  }
  /// The value at the front.
  static Json Take(std::string_view* rest) {
    Skip(rest);
    size_t end = 0;
    for (size_t depth = 0; end < rest->size();) {
      const char c = (*rest)[end];
      if (depth == 0 && (c == ',' || c == ':' || c == '}' || c == ']' || IsSpace(c))) break;  // after a number or a word
      if (c == '"') {
        end = StringEnd(*rest, end);
      } else {
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        ++end;
      }
      if (depth == 0 && (c == '"' || c == '}' || c == ']')) break;
    }
    const Json value(rest->substr(0, end));
    rest->remove_prefix(end);
    return value;
  }
  std::string_view text_;
};

// ---- calls ---------------------------------------------------------------------------------------------------------------
/// What a function answers: the members of the response ("url":…,"method":…), or an error.
struct Answer {
  std::string members, error;
};
inline Answer Fail(std::string error) { return {{}, std::move(error)}; }

struct Function {
  std::string_view name;
  Answer (*handler)(const Json& request);
  std::string_view sample;  ///< a request that it can serve: the self-check tries it
};

constexpr uint64_t kVersion = 1;  // of every wire function

inline int32_t Reply(std::string_view output) {
  cc_lb_output_set(Block(output), output.size());
  return 0;
}
inline int32_t ReplyError(std::string_view error) {
  cc_lb_error_set(Block(error));
  return -1;
}

/// A call: `_v` is in the request and in the response.
inline int32_t Serve(Answer (*handler)(const Json&)) {
  const std::string input = Input();
  const Json request(input);
  if (request["_v"].Number() != kVersion) return ReplyError("unsupported _v");
  const Answer answer = handler(request);
  if (!answer.error.empty()) return ReplyError(answer.error);
  return Reply("{\"_v\":1" + (answer.members.empty() ? "" : "," + answer.members) + "}");
}

/// Of what the host offers, every function of ours in its version.
template <size_t kCount>
int32_t Handshake(const Function (&functions)[kCount]) {
  const std::string input = Input();
  const Json offer(input);
  std::string chosen, supported, implemented;
  for (const Function& function : functions) {
    const std::string quoted = "\"" + std::string(function.name) + "\"";
    const char* const comma = implemented.empty() ? "" : ",";
    implemented += comma + quoted;
    supported += comma + quoted + ":[1]";
    offer["function_versions"][function.name].EachElement([&](Json version) {
      if (version.Number() == kVersion) chosen += (chosen.empty() ? "" : ",") + quoted + ":1";
    });
  }
  return Reply("{\"handshake_schema_version\":" + std::string(offer["handshake_schema_version"].text()) + ",\"envelope_version\":" +
               std::string(offer["envelope_version"].text()) + ",\"chosen_versions\":{" + chosen + "},\"plugin_supported\":{" + supported +
               "},\"implemented_functions\":[" + implemented + "],\"required_capabilities\":[]}");
}

/// Every function serves its sample.
template <size_t kCount>
int32_t SelfCheck(const Function (&functions)[kCount]) {
  const std::string input = Input();
  std::string failures;
  for (const Function& function : functions) {
    const Answer answer = function.handler(Json(function.sample));
    if (answer.error.empty()) continue;
    failures += (failures.empty() ? "" : ",") + std::string("{\"stage\":\"wire_function_test\",\"message\":\"") + std::string(function.name) + "\"}";
  }
  return Reply(std::string("{\"status\":\"") + (failures.empty() ? "success" : "failure") + "\",\"failures\":[" + failures +
               "],\"completed_at\":" + std::string(Json(input)["initiated_at"].text()) + "}");
}

}  // namespace cc_lb

/// The identity, in a custom section that the host reads without running anything, and the two functions that it calls first.
#define CC_LB_PLUGIN(name, version, functions)                                                                                      \
  __asm__(".section .custom_section.cc_lb.plugin.v1,\"\",@\n"                                                                       \
          ".ascii \"{\\\"magic\\\":[204,27,112,16,0,1,0,0],\\\"abi_envelope\\\":1,\\\"plugin_name\\\":\\\"" name                    \
          "\\\",\\\"plugin_version\\\":\\\"" version "\\\"}\"\n"                                                                    \
          ".section .text,\"\",@\n");                                                                                               \
  extern "C" __attribute__((export_name("cc_lb_handshake"))) int32_t CcLbHandshake() { return cc_lb::Handshake(functions); }        \
  extern "C" __attribute__((export_name("cc_lb_self_check"))) int32_t CcLbSelfCheck() { return cc_lb::SelfCheck(functions); }

#define CC_LB_EXPORT(function, handler) \
  extern "C" __attribute__((export_name(#function))) int32_t CcLbExport_##function() { return cc_lb::Serve(handler); }
