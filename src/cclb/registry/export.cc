#include "cclb/registry/export.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/sha256.h"
#include "cclb/registry/record.h"
#include "weir/result.h"

namespace weir::cclb {
namespace {

constexpr std::string_view kFirstLine = "weir cc-lb registry 1\n";
constexpr size_t kEndBytes = 8 + sizeof(ModuleHash);

void AppendNumber(uint64_t value, std::string* out) {
  for (int shift = 0; shift < 64; shift += 8) out->push_back(static_cast<char>(value >> shift));
}
void AppendString(std::string_view text, std::string* out) {
  AppendNumber(text.size(), out);
  out->append(text);
}

/// Takes fields off the front of an entry.
class Fields {
 public:
  explicit Fields(std::string_view body) : rest_(body) {}
  bool Number(uint64_t* out) {
    if (rest_.size() < 8) return false;
    *out = 0;
    for (size_t i = 0; i < 8; ++i) *out |= uint64_t{static_cast<uint8_t>(rest_[i])} << (8 * i);
    rest_.remove_prefix(8);
    return true;
  }
  bool Number(int64_t* out) {
    uint64_t bits = 0;
    if (!Number(&bits)) return false;
    *out = static_cast<int64_t>(bits);
    return true;
  }
  bool Number(uint32_t* out) {
    uint64_t value = 0;
    if (!Number(&value) || value > UINT32_MAX) return false;
    *out = static_cast<uint32_t>(value);
    return true;
  }
  bool String(std::string* out) {
    uint64_t size = 0;
    if (!Number(&size) || size > rest_.size()) return false;
    out->assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }
  bool Hash(ModuleHash* out) {
    if (rest_.size() < out->size()) return false;
    std::memcpy(out->data(), rest_.data(), out->size());
    rest_.remove_prefix(out->size());
    return true;
  }
  bool Status(PluginStatus* out) {
    uint64_t value = 0;
    if (!Number(&value) || value > 1) return false;
    *out = value == 0 ? PluginStatus::kActive : PluginStatus::kDisabled;
    return true;
  }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::string EntryText(const PluginRecord& record, std::string_view module) {
  std::string out(View(record.sha256));
  AppendString(record.plugin_name, &out);
  AppendString(record.plugin_version, &out);
  AppendNumber(record.abi_envelope, &out);
  AppendString(record.augmented_metadata, &out);
  out += View(record.host_offer_hash);
  AppendNumber(record.handshake_schema_version, &out);
  for (const int64_t at : {record.registered_at, record.last_handshake_at, record.expires_at}) AppendNumber(static_cast<uint64_t>(at), &out);
  AppendNumber(record.status == PluginStatus::kActive ? 0 : 1, &out);
  AppendString(record.disabled_reason, &out);
  AppendString(module, &out);
  return out;
}

bool ReadEntry(std::string_view body, ExportEntry* entry) {
  PluginRecord& r = entry->record;
  Fields in(body);
  return in.Hash(&r.sha256) && in.String(&r.plugin_name) && in.String(&r.plugin_version) && in.Number(&r.abi_envelope) &&
         in.String(&r.augmented_metadata) && in.Hash(&r.host_offer_hash) && in.Number(&r.handshake_schema_version) &&
         in.Number(&r.registered_at) && in.Number(&r.last_handshake_at) && in.Number(&r.expires_at) && in.Status(&r.status) &&
         in.String(&r.disabled_reason) && in.String(&entry->module) && in.AtEnd();
}

/// So that the new name is on the disk too.
void FlushFolder(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

// ---- writing ------------------------------------------------------------------------------------------------------------
ExportWriter::~ExportWriter() {
  if (file_) unlink(part_.c_str());
}

RegistryFault ExportWriter::Fail() const { return {RegistryErrorName::kIo, path_ + ": " + std::strerror(errno)}; }

RegistryStatus ExportWriter::Open() {
  const int fd = mkostemp(part_.data(), O_CLOEXEC);  // readable by its owner alone
  if (fd < 0) return Fail();
  file_.reset(fdopen(fd, "wb"));
  if (std::fwrite(kFirstLine.data(), 1, kFirstLine.size(), file_.get()) != kFirstLine.size()) return Fail();
  chain_ = Sha256({View(chain_), kFirstLine});
  return std::monostate();
}

RegistryStatus ExportWriter::Write(char kind, std::string_view body, bool chained) {
  std::string head(1, kind);
  AppendNumber(body.size(), &head);
  if (chained) chain_ = Sha256({View(chain_), head, body});
  const bool good = std::fwrite(head.data(), 1, head.size(), file_.get()) == head.size() &&
                    std::fwrite(body.data(), 1, body.size(), file_.get()) == body.size();
  if (!good) return Fail();
  return std::monostate();
}

RegistryStatus ExportWriter::Add(const PluginRecord& record, std::string_view module) {
  ++entries_;
  return Write('P', EntryText(record, module), true);
}

RegistryStatus ExportWriter::Finish() {
  std::string end;
  AppendNumber(entries_, &end);
  chain_ = Sha256({View(chain_), end});
  end += View(chain_);
  WEIR_TRY_VOID(Write('E', end, false));
  if (std::fflush(file_.get()) != 0 || fsync(fileno(file_.get())) != 0) return Fail();
  if (rename(part_.c_str(), path_.c_str()) != 0) return Fail();
  file_.reset();
  FlushFolder(path_);
  return std::monostate();
}

// ---- reading ------------------------------------------------------------------------------------------------------------
RegistryFault ExportReader::Malformed(const std::string& what) const {
  return {RegistryErrorName::kImportMalformed, path_ + ": " + what + "; nothing was imported"};
}

RegistryStatus ExportReader::Read(char* out, size_t size) {
  if (std::fread(out, 1, size, file_.get()) == size) return std::monostate();
  if (std::ferror(file_.get())) return RegistryFault{RegistryErrorName::kIo, path_ + ": " + std::strerror(errno)};
  return Malformed("ends early, after " + std::to_string(entries_) + " plugins");
}

RegistryStatus ExportReader::Open() {
  file_.reset(std::fopen(path_.c_str(), "rbe"));
  struct stat info;
  if (!file_ || fstat(fileno(file_.get()), &info) != 0) return RegistryFault{RegistryErrorName::kIo, path_ + ": " + std::strerror(errno)};
  if (!S_ISREG(info.st_mode)) return RegistryFault{RegistryErrorName::kIo, path_ + ": is no file"};
  char line[kFirstLine.size()];
  if (std::fread(line, 1, sizeof line, file_.get()) != sizeof line || std::string_view(line, sizeof line) != kFirstLine) {
    return Malformed("is no export of a registry that this program knows");
  }
  chain_ = Sha256({View(chain_), kFirstLine});
  return std::monostate();
}

RegistryStatus ExportReader::ReadEnd(uint64_t size) {
  char end[kEndBytes];
  if (size != sizeof end) return Malformed("its end is damaged");
  WEIR_TRY_VOID(Read(end, sizeof end));
  uint64_t entries = 0;
  ModuleHash chain{};
  Fields in(std::string_view(end, sizeof end));
  in.Number(&entries);
  in.Hash(&chain);
  if (entries != entries_ || chain != Sha256({View(chain_), std::string_view(end, 8)})) return Malformed("its checksum is wrong");
  if (std::fgetc(file_.get()) != EOF) return Malformed("goes on after its end");
  return std::monostate();
}

RegistryResult<std::optional<ExportEntry>> ExportReader::Next() {
  char head[9];
  WEIR_TRY_VOID(Read(head, sizeof head));
  uint64_t size = 0;
  Fields(std::string_view(head + 1, 8)).Number(&size);
  if (head[0] == 'E') {
    WEIR_TRY_VOID(ReadEnd(size));
    return std::optional<ExportEntry>();
  }
  // Names, numbers and lengths of a record take less than 1 KiB.
  if (head[0] != 'P' || size > limits_.module_bytes_max + limits_.metadata_bytes_max + limits_.reason_bytes_max + 1024) {
    return Malformed("entry " + std::to_string(entries_ + 1) + " is damaged");
  }
  std::string body(size, '\0');
  WEIR_TRY_VOID(Read(body.data(), body.size()));
  chain_ = Sha256({View(chain_), std::string_view(head, sizeof head), body});
  ++entries_;
  ExportEntry entry;
  if (!ReadEntry(body, &entry)) return Malformed("entry " + std::to_string(entries_) + " is damaged");
  return std::optional(std::move(entry));
}

}  // namespace weir::cclb
