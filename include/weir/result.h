// Host failures as values. A guest-visible failure is a status of the guest's ABI; a programming error aborts (base/check.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace weir {

enum class ErrorCode : uint8_t {
  kInvalidArgument,  ///< the caller's value or the operator's configuration is wrong
  kNotFound,         ///< a file, a plugin, an upstream of that name does not exist
  kInvalidModule,    ///< not a WebAssembly module that Weir can run
  kLinkFailed,       ///< an import that Weir does not offer, or offers with another signature
  kRefused,          ///< the plugin answered false in on_vm_start or on_configure
  kTrapped,          ///< the guest trapped, ran out of time or memory, or left by proc_exit
  kLimit,            ///< a limit of `Limits` was reached
  kIo,               ///< the operating system refused
  kInternal,         ///< a fault of Weir itself
};

/// What went wrong, for a person: names the thing and, where there is one, the remedy.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

/// A `T` or an `Error`; the names are those of C++23's std::expected.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  /// Precondition: has_value().
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  /// Precondition: !has_value().
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace weir

#define WEIR_CONCAT_(a, b) a##b
#define WEIR_CONCAT(a, b) WEIR_CONCAT_(a, b)
#define WEIR_TRY_(tmp, declaration, ...)            \
  auto tmp = (__VA_ARGS__);                         \
  if (!tmp.has_value()) return std::move(tmp).error(); \
  declaration = *std::move(tmp)
/// WEIR_TRY(auto module, engine.Compile(bytes)): the value, or a return of the error.
#define WEIR_TRY(declaration, ...) WEIR_TRY_(WEIR_CONCAT(weir_try_, __LINE__), declaration, __VA_ARGS__)
/// The same for Result<void>.
#define WEIR_TRY_VOID(...)                                                            \
  do {                                                                                \
    if (auto weir_try_void = (__VA_ARGS__); !weir_try_void) return std::move(weir_try_void).error(); \
  } while (0)
