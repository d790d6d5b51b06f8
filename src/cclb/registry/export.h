// The file of an export.
//
//   "weir cc-lb registry 1\n"
//   entry*        'P' (u8), bytes of the rest (u64), the record's fields (a string or number each), the module
//   end           'E' (u8), 40 (u64), number of entries (u64), SHA-256 (32 bytes) of what stands before
//
// Numbers are little-endian; a string is its length (u64) and its bytes. Entries are in ascending order of their hashes. The checksum
// is a chain, h = SHA-256(h, entry), from 32 zero bytes and the first line on: one entry at a time is in memory, and a file that ends
// early, has bytes too many or one bit changed is refused.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "weir/cclb/registry.h"

namespace weir::cclb {

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, CloseFile>;

/// Writes beside `path`; Finish() puts the whole file in its place, and without it nothing is left.
class ExportWriter {
 public:
  explicit ExportWriter(std::string path) : path_(std::move(path)), part_(path_ + ".part-XXXXXX") {}
  ExportWriter(const ExportWriter&) = delete;
  ExportWriter& operator=(const ExportWriter&) = delete;
  ~ExportWriter();
  RegistryStatus Open();
  RegistryStatus Add(const PluginRecord& record, std::string_view module);
  RegistryStatus Finish();

 private:
  RegistryStatus Write(char kind, std::string_view body, bool chained);
  RegistryFault Fail() const;
  const std::string path_;
  std::string part_;
  File file_;
  ModuleHash chain_{};
  uint64_t entries_ = 0;
};

struct ExportEntry {
  PluginRecord record;
  std::string module;
};

class ExportReader {
 public:
  ExportReader(std::string path, const RegistryLimits& limits) : path_(std::move(path)), limits_(limits) {}
  RegistryStatus Open();
  /// The next entry; nothing after the last one, when number and checksum were right.
  RegistryResult<std::optional<ExportEntry>> Next();
  RegistryFault Malformed(const std::string& what) const;

 private:
  RegistryStatus Read(char* out, size_t size);
  RegistryStatus ReadEnd(uint64_t size);
  const std::string path_;
  const RegistryLimits& limits_;
  File file_;
  ModuleHash chain_{};
  uint64_t entries_ = 0;
};

}  // namespace weir::cclb
