// What a WebAssembly binary says of itself, read without compiling it: for messages, `weir inspect` and the import check.
// Reads core modules (with the GC, exception, threads and memory64 encodings in the sections read); code is not validated,
// that is the engine's work.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/result.h"

namespace weir {

enum class WasmExternKind : uint8_t { kFunction, kTable, kMemory, kGlobal, kTag };
std::string_view WasmExternKindName(WasmExternKind kind) noexcept;

/// Of a memory in pages of 64 KiB, of a table in elements.
struct WasmLimits {
  uint64_t min = 0;
  std::optional<uint64_t> max;
  bool shared = false;
  bool is_64 = false;
};

struct WasmImport {
  std::string_view module, name;
  WasmExternKind kind = WasmExternKind::kFunction;
  std::string signature;  ///< of a function, as "(i32, i64) -> i32"
  WasmLimits limits;      ///< of a memory or table
  uint64_t offset = 0;    ///< byte of the file
};

struct WasmExport {
  std::string_view name;
  WasmExternKind kind = WasmExternKind::kFunction;
  uint32_t index = 0;
  std::string signature;  ///< of a function
};

struct WasmSection {
  uint8_t id = 0;
  std::string_view name;  ///< "type", "import" …; of a custom section its own
  uint64_t offset = 0;    ///< of its content
  uint64_t size = 0;      ///< of its content, in bytes
};

/// One line of the `producers` section: field is "language", "processed-by" or "sdk".
struct WasmProducer {
  std::string_view field, name, version;
};

/// Views point into the bytes that were read.
struct WasmModule {
  uint64_t file_bytes = 0;
  std::vector<WasmSection> sections;         ///< in order, custom ones among them
  std::vector<std::string> type_signatures;  ///< by type index; of a struct or array "struct", "array"
  std::vector<WasmImport> imports;
  std::vector<WasmExport> exports;
  std::vector<WasmLimits> memories;          ///< defined here; imported ones are in `imports`
  std::optional<uint32_t> start;             ///< function index of the `start` section
  uint64_t functions = 0;                    ///< defined here
  uint64_t code_bytes = 0, data_bytes = 0;   ///< of those sections
  std::vector<WasmProducer> producers;
  std::vector<std::string_view> function_names;  ///< of the `name` section
  bool has_dwarf = false;                    ///< a `.debug_info` section
  /// Faults inside custom sections, which the specification tells every reader to ignore.
  std::vector<std::string> notes;

  const WasmExport* FindExport(std::string_view export_name) const noexcept;
};

/// Whether `bytes` begin as a core module does. Otherwise kInvalidModule saying what they are instead (empty, cut off,
/// text format, a component, gzip, native code …) and the remedy. `name` is the file, for the message.
Result<void> CheckWasmHeader(std::string_view bytes, std::string_view name);

/// kInvalidModule: what is wrong, at which byte. The result points into `bytes`. Memory used is at most proportional to them.
Result<WasmModule> ReadWasmModule(std::string_view bytes, std::string_view name);

}  // namespace weir
