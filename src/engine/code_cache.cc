// The cache of native code: DIRECTORY/KEY.cwasm, KEY = sha256 of the module and of all that decides its code.
//
//   [ Wasmtime's artefact (ELF) | trailer: "weir-ao2" | checksum of the artefact, 8 bytes | KEY ]
//
// A file is opened once: its owner and mode are checked, its checksum, and then the same open file is mapped. So what runs is what
// was checked, as nobody but the owner can write there; the checksum finds damage alone, and is read at every start: SHA-256 of the
// 8 MB that 2 MB of Wasm become would take three times as long as all the rest.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/sha256.h"
#include "engine/engine_impl.h"

namespace weir {
namespace engine {
namespace {

constexpr std::string_view kTrailerMagic = "weir-ao2";
constexpr size_t kKeyBytes = 2 * sizeof(Sha256Digest);
constexpr size_t kTrailerBytes = kTrailerMagic.size() + sizeof(uint64_t) + kKeyBytes;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

std::string Octal(mode_t mode) {
  char text[16];
  std::snprintf(text, sizeof text, "%04o", mode & 07777);
  return text;
}

/// mkdir -p, the last with mode 0700.
void MakeDirectory(const std::string& path) {
  for (size_t at = path.find('/', 1); at != path.npos; at = path.find('/', at + 1)) mkdir(path.substr(0, at).c_str(), 0755);
  mkdir(path.c_str(), 0700);
}

/// Opens the directory, made if missing. Empty `why`: it is ours alone.
int OpenDirectory(const std::string& path, std::string* why) {
  MakeDirectory(path);
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) {
    *why = path + ": " + std::strerror(errno);
  } else if (info.st_uid != geteuid()) {
    *why = path + ": belongs to user " + std::to_string(info.st_uid) + ", not to " + std::to_string(geteuid()) +
           ", who runs this; native code is only taken from a directory of one's own";
  } else if ((info.st_mode & 077) != 0) {
    *why = path + ": others may enter it (mode " + Octal(info.st_mode) + "); chmod 0700 it";
  }
  return fd;
}

/// Of every bit: each word goes through an odd multiplication and a rotation, which lose nothing. Four at once, 8 bytes each.
uint64_t Checksum(std::string_view bytes) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  constexpr size_t kLanes = 4, kStep = kLanes * sizeof(uint64_t);
  uint64_t lanes[kLanes] = {1, 2, 3, 4};
  size_t at = 0;
  for (; bytes.size() - at >= kStep; at += kStep) {
    uint64_t words[kLanes];
    std::memcpy(words, bytes.data() + at, kStep);
    for (size_t i = 0; i < kLanes; ++i) lanes[i] = std::rotl((lanes[i] ^ words[i]) * kOdd, 29);
  }
  uint64_t sum = bytes.size();
  for (const uint64_t lane : lanes) sum = std::rotl((sum ^ lane) * kOdd, 29);
  for (; at < bytes.size(); ++at) sum = std::rotl((sum ^ static_cast<uint8_t>(bytes[at])) * kOdd, 29);
  return sum;
}

/// `key` is of kKeyBytes.
std::string Trailer(std::string_view artefact, std::string_view key) {
  const uint64_t sum = Checksum(artefact);
  std::string trailer(kTrailerMagic);
  trailer.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return trailer.append(key);
}

/// Whether the open file is what Store wrote under this key, whole.
bool Undamaged(int fd, std::string_view key) {
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 022) != 0) return false;
  const auto size = static_cast<size_t>(info.st_size);
  if (size <= kTrailerBytes) return false;
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  if (bytes == MAP_FAILED) return false;
  const std::string_view file(static_cast<const char*>(bytes), size);
  const bool good = file.substr(size - kTrailerBytes) == Trailer(file.substr(0, size - kTrailerBytes), key);
  munmap(bytes, size);
  return good;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return true;
}

/// Writes beside and renames: readers see the whole file or none. Empty: done; else why not.
std::string Store(int directory, const std::string& file, std::string_view artefact, std::string_view key) {
  const std::string part = file + ".part." + std::to_string(getpid()) + "." + std::to_string(gettid());
  unlinkat(directory, part.c_str(), 0);
  const Fd fd(openat(directory, part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.get() < 0) return std::strerror(errno);
  if (WriteAll(fd.get(), artefact) && WriteAll(fd.get(), Trailer(artefact, key)) && fsync(fd.get()) == 0 &&
      renameat(directory, part.c_str(), directory, file.c_str()) == 0) {
    return "";
  }
  const std::string why = std::strerror(errno);
  unlinkat(directory, part.c_str(), 0);
  return why;
}

}  // namespace

Result<Engine::Loaded> EngineImpl::Load(std::string_view wasm, std::string_view name, const CodeCache& cache, const Rewriting& rewriting) {
  const std::string code_id = Hex(Sha256({wasm}));
  const auto compile = [&]() -> Result<std::shared_ptr<const Module>> {
    if (!rewriting.id.empty()) {
      if (const auto rewritten = rewriting.apply(wasm)) {
        if (auto module = CompileOf(*rewritten, name, code_id)) return module;
      }
    }
    return CompileOf(wasm, name, code_id);
  };
  Loaded loaded;
  if (cache.directory.empty()) {
    WEIR_TRY(loaded.module, compile());
    return loaded;
  }
  const std::string key = Hex(Sha256({code_id, "|", code_key_, rewriting.id.empty() ? "" : "|", rewriting.id}));
  const std::string file = key + ".cwasm";
  const Fd directory(OpenDirectory(cache.directory, &loaded.warning));
  const bool usable = loaded.warning.empty();
  if (usable) {
    const Fd fd(openat(directory.get(), file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (fd.get() >= 0 && Undamaged(fd.get(), key)) {
      // Wasmtime refuses what is of another version or configuration: then it is made anew.
      if (auto module = Map("/proc/self/fd/" + std::to_string(fd.get()), name, code_id)) {
        loaded.module = *std::move(module);
        loaded.from_cache = true;
        loaded.artefact = cache.directory + "/" + file;
        return loaded;
      }
    }
  }
  WEIR_TRY(loaded.module, compile());
  if (!usable) {
    loaded.warning = "compiled code is not kept: " + loaded.warning;
    return loaded;
  }
  WEIR_TRY(const std::string artefact, Serialize(*loaded.module));
  if (const std::string why = Store(directory.get(), file, artefact, key); !why.empty()) {
    loaded.warning = "compiled code is not kept: " + cache.directory + ": " + why;
  } else {
    loaded.artefact = cache.directory + "/" + file;
  }
  return loaded;
}

}  // namespace engine

CodeCache CodeCache::Default() {
  if (geteuid() == 0) return {"/var/cache/weir"};
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') return {std::string(cache) + "/weir"};
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return {std::string(home) + "/.cache/weir"};
  return {};
}

}  // namespace weir
