// `weir check`: what is wrong with a plugin, found without running it. One table of checks (check_table.cc), and what looks for each
// (check.cc, check_extism.cc) on what `weir inspect` reads off the module.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inspect.h"
#include "weir/plugin.h"

namespace weir::cli {

enum class Severity : uint8_t {
  kNote,     ///< worth knowing
  kWarning,  ///< it loads, and something of it will not work, or costs more than it should
  kError,    ///< Weir does not load it
};
/// "note", "warning", "error".
std::string_view SeverityName(Severity severity);

enum class CheckId : uint8_t {
  kNotAPlugin,
  kInvalidCode,
  kNotLoaded,
  kImportUnknown,
  kImportSignature,
  kImportVersion,
  kImportStub,
  kImportKind,
  kNoMemory,
  kMemoryMinimum,
  kCallbackSignature,
  kAllocatorSignature,
  kStartSignature,
  kNoAllocator,
  kNoStart,
  kCallbackUnknown,
  kCallbackNeverCalled,
  kAnswerUnheard,
  kNoCallbacks,
  kSdkPanics,
  kDebugInfo,
  kSize,
  kCompileTime,
  kCustomSection,
  kMemoryMaximum,
  kCallbackLeftover,
  kSdkPanicsStrict,
  kWasiRefused,
  kNoNames,
  kAbiVersion,
  kExtismNotRun,
  kExtismNoFunctions,
  kExtismExport,
  kExtismHostFunction,
};

inline constexpr size_t kLanguages = 4;  ///< Rust, Go, C++, AssemblyScript: Language without kUnknown

/// A row of the table: docs/check.md has them all.
struct CheckRow {
  CheckId id;
  std::string_view name;  ///< "import-unknown"
  Severity severity;
  std::string_view what;  ///< one line for the list of checks
  std::string_view fix;   ///< in any language; may be empty
  std::array<std::string_view, kLanguages> fixes;  ///< in the SDK of each Language; empty: nothing of its own
};
std::span<const CheckRow> CheckRows();
const CheckRow& RowOf(CheckId id);
/// "Rust", "Go", "C++", "AssemblyScript". Not of kUnknown.
std::string_view LanguageName(Language language);

struct Finding {
  CheckId id;
  std::string subject;   ///< the import, export … that it is about; may be empty
  std::string message;   ///< one line, without the subject's name where that says it already
  std::vector<std::string> details;
};

struct CheckLimits {
  uint64_t memory_bytes = Limits{}.memory_bytes;  ///< that an instance will have: `memory=`
  uint64_t size_bytes = 8ull << 20;               ///< of the file
  uint32_t compile_ms = 5'000;
  Statuses statuses = Statuses::kLenient;         ///< that it will run with
};

struct CheckRequest {
  std::vector<std::string> files;
  std::string memory, statuses, max_size, max_compile;  ///< as given; empty: the defaults of CheckLimits
  bool json = false, fix = false, strict = false, list = false, no_compile = false;
};

struct CheckReport {
  Inspection inspection;
  std::vector<Finding> findings;            ///< errors first
  std::optional<uint64_t> compile_ms;       ///< CPU time; nullopt: not compiled
  uint64_t native_bytes = 0;                ///< of the compiled code
  size_t count(Severity severity) const;
};

/// All checks but those that need the compiler. `bytes` outlive the result. An error: not a module at all.
Result<CheckReport> CheckModuleBytes(std::string_view bytes, const std::string& file, const CheckLimits& limits);
/// Adds what a compiler says to `report`.
void CheckCompiled(CheckReport& report, std::string_view bytes, const CheckLimits& limits);

/// For check_extism.cc: those of that family.
void CheckExtism(CheckReport& report);

std::string CheckText(const CheckReport& report, bool fix, bool colour);
std::string CheckJson(const CheckReport& report, bool passed);

/// 0: nothing of severity error (with --strict: nor warning); 1: there is; 2: bad input, a flag or a file that is no module.
int Check(const CheckRequest& request);

}  // namespace weir::cli
