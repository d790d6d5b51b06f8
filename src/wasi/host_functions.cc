#include "wasi/host_functions.h"

#include "wasi/preview1.h"

namespace weir::wasi {
namespace {

using abi::Fn;
using P = Preview1;
using I = uint32_t;
using L = uint64_t;
constexpr abi::Versions kAll = 0xff;

/// A row's `extra`: what Weir makes of the function, for the documentation.
enum Offer : uint32_t { kWorks, kToLog, kAtEnd, kStandard, kNoSeek, kSpins, kTraps, kNoFile, kMissing };
constexpr std::string_view kOffers[] = {
    "works",
    "1 and 2: lines of the log; others BADF",
    "0: at its end; others BADF",
    "0, 1 and 2: terminals, nothing to do; others BADF",
    "0, 1 and 2: SPIPE; others BADF",
    "all subscriptions are ready at once",
    "a trap that names the code",
    "BADF",
    "NOSYS",
};

/// A row of something that Weir does not have. Files and sockets: there is no such descriptor, so EBADF.
template <class... A>
consteval abi::HostFunction NoFile(std::string_view name, std::string_view section, std::initializer_list<std::string_view> args) {
  return Fn<&P::Refuse<Errno::kBadf, A...>, kNoFile>(name, section, kAll, args);
}
template <class... A>
consteval abi::HostFunction NoSuch(std::string_view name, std::string_view section, std::initializer_list<std::string_view> args) {
  return Fn<&P::Refuse<Errno::kNosys, A...>, kMissing>(name, section, kAll, args);
}

constexpr abi::HostFunction kRows[] = {
    Fn<&P::ArgsGet, kWorks>("args_get", "Arguments", kAll, {"argv", "argv_buf"}),
    Fn<&P::ArgsSizesGet, kWorks>("args_sizes_get", "Arguments", kAll, {"return_count", "return_size"}),
    Fn<&P::EnvironGet, kWorks>("environ_get", "Environment", kAll, {"environ", "environ_buf"}),
    Fn<&P::EnvironSizesGet, kWorks>("environ_sizes_get", "Environment", kAll, {"return_count", "return_size"}),
    Fn<&P::ClockResGet, kWorks>("clock_res_get", "Clocks", kAll, {"clock_id", "return_resolution"}),
    Fn<&P::ClockTimeGet, kWorks>("clock_time_get", "Clocks", kAll, {"clock_id", "precision", "return_time"}),

    NoFile<I, L, L, I>("fd_advise", "Descriptors", {"fd", "offset", "len", "advice"}),
    NoFile<I, L, L>("fd_allocate", "Descriptors", {"fd", "offset", "len"}),
    Fn<&P::FdClose, kStandard>("fd_close", "Descriptors", kAll, {"fd"}),
    Fn<&P::FdSync, kStandard>("fd_datasync", "Descriptors", kAll, {"fd"}),
    Fn<&P::FdFdstatGet, kStandard>("fd_fdstat_get", "Descriptors", kAll, {"fd", "return_fdstat"}),
    Fn<&P::FdFdstatSetFlags, kStandard>("fd_fdstat_set_flags", "Descriptors", kAll, {"fd", "flags"}),
    NoFile<I, L, L>("fd_fdstat_set_rights", "Descriptors", {"fd", "rights_base", "rights_inheriting"}),
    Fn<&P::FdFilestatGet, kStandard>("fd_filestat_get", "Descriptors", kAll, {"fd", "return_filestat"}),
    NoFile<I, L>("fd_filestat_set_size", "Descriptors", {"fd", "size"}),
    NoFile<I, L, L, I>("fd_filestat_set_times", "Descriptors", {"fd", "atim", "mtim", "fst_flags"}),
    NoFile<I, I, I, L, I>("fd_pread", "Descriptors", {"fd", "iovs", "iovs_len", "offset", "return_size"}),
    NoFile<I, I>("fd_prestat_get", "Descriptors", {"fd", "return_prestat"}),
    NoFile<I, I, I>("fd_prestat_dir_name", "Descriptors", {"fd", "path", "path_len"}),
    NoFile<I, I, I, L, I>("fd_pwrite", "Descriptors", {"fd", "iovs", "iovs_len", "offset", "return_size"}),
    Fn<&P::FdRead, kAtEnd>("fd_read", "Descriptors", kAll, {"fd", "iovs", "iovs_len", "return_size"}),
    NoFile<I, I, I, L, I>("fd_readdir", "Descriptors", {"fd", "buf", "buf_len", "cookie", "return_size"}),
    NoFile<I, I>("fd_renumber", "Descriptors", {"fd", "to"}),
    Fn<&P::FdSeek, kNoSeek>("fd_seek", "Descriptors", kAll, {"fd", "offset", "whence", "return_offset"}),
    Fn<&P::FdSync, kStandard>("fd_sync", "Descriptors", kAll, {"fd"}),
    Fn<&P::FdTell, kNoSeek>("fd_tell", "Descriptors", kAll, {"fd", "return_offset"}),
    Fn<&P::FdWrite, kToLog>("fd_write", "Descriptors", kAll, {"fd", "iovs", "iovs_len", "return_size"}),

    NoFile<I, I, I>("path_create_directory", "Paths", {"fd", "path", "path_len"}),
    NoFile<I, I, I, I, I>("path_filestat_get", "Paths", {"fd", "flags", "path", "path_len", "return_filestat"}),
    NoFile<I, I, I, I, L, L, I>("path_filestat_set_times", "Paths",
                                {"fd", "flags", "path", "path_len", "atim", "mtim", "fst_flags"}),
    NoFile<I, I, I, I, I, I, I>("path_link", "Paths",
                                {"old_fd", "old_flags", "old_path", "old_path_len", "new_fd", "new_path", "new_path_len"}),
    NoFile<I, I, I, I, I, L, L, I, I>("path_open", "Paths", {"fd", "dirflags", "path", "path_len", "oflags", "fs_rights_base",
                                                             "fs_rights_inheriting", "fdflags", "return_fd"}),
    NoFile<I, I, I, I, I, I>("path_readlink", "Paths", {"fd", "path", "path_len", "buf", "buf_len", "return_size"}),
    NoFile<I, I, I>("path_remove_directory", "Paths", {"fd", "path", "path_len"}),
    NoFile<I, I, I, I, I, I>("path_rename", "Paths", {"fd", "old_path", "old_path_len", "new_fd", "new_path", "new_path_len"}),
    NoFile<I, I, I, I, I>("path_symlink", "Paths", {"old_path", "old_path_len", "fd", "new_path", "new_path_len"}),
    NoFile<I, I, I>("path_unlink_file", "Paths", {"fd", "path", "path_len"}),

    Fn<&P::PollOneoff<kSubscriptionBytes>, kSpins>("poll_oneoff", "Poll", kAll, {"in", "out", "nsubscriptions", "return_nevents"}),
    Fn<&P::ProcExit, kTraps>("proc_exit", "Process", kAll, {"code"}),
    NoSuch<I>("proc_raise", "Process", {"signal"}),
    Fn<&P::SchedYield, kWorks>("sched_yield", "Process", kAll, {}),
    Fn<&P::RandomGet, kWorks>("random_get", "Random", kAll, {"buf", "buf_len"}),

    NoFile<I, I, I>("sock_accept", "Sockets", {"fd", "flags", "return_fd"}),
    NoFile<I, I, I, I, I, I>("sock_recv", "Sockets",
                             {"fd", "ri_data", "ri_data_len", "ri_flags", "return_size", "return_flags"}),
    NoFile<I, I, I, I, I>("sock_send", "Sockets", {"fd", "si_data", "si_data_len", "si_flags", "return_size"}),
    NoFile<I, I>("sock_shutdown", "Sockets", {"fd", "how"}),
};

/// wasi_unstable as far as a function that works here differs.
constexpr abi::HostFunction kUnstableOnly[] = {
    Fn<&P::PollOneoff<kUnstableSubscriptionBytes>, kSpins>("poll_oneoff", "Poll", kAll, {"in", "out", "nsubscriptions", "return_nevents"}),
    NoSuch<I, I>("fd_filestat_get", "Descriptors", {"fd", "return_filestat"}),  // its struct was 8 bytes shorter
};

constexpr auto kUnstableRows = [] {
  std::array<abi::HostFunction, std::size(kRows)> rows{};
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i] = kRows[i];
    for (const abi::HostFunction& other : kUnstableOnly) {
      if (other.name == rows[i].name) rows[i] = other;
    }
  }
  return rows;
}();

}  // namespace

std::span<const abi::HostFunction> HostFunctions(std::string_view module) {
  if (module == kModule) return kRows;
  if (module == kUnstableModule) return kUnstableRows;
  return {};
}

bool OnlyRefused(const abi::HostFunction& row) { return row.extra == kNoFile || row.extra == kMissing; }

std::string Documentation() {
  constexpr std::string_view kVersion[] = {"preview1"};
  return "# WASI\n\n"
         "Generated from the table in `src/wasi` (a test compares; `WEIR_UPDATE_DOCS=1 build/bin/wasi_test` writes it).\n\n"
         "Plugins import it as `wasi_snapshot_preview1` or by its older name `wasi_unstable`. Everything links. A plugin has standard\n"
         "output and error (lines of the log, at INFO and at its `stderr_level`), an empty standard input, clocks (real time and\n"
         "monotonic), random bytes (at most 64 KiB a call) and the environment that its configuration names; it has no arguments, no\n"
         "files and no sockets. A bad pointer is FAULT.\n\n" +
         abi::PrintTable(kRows, kVersion, "in Weir", [](const abi::HostFunction& row) { return std::string(kOffers[row.extra]); }) +
         "\nIn `wasi_unstable`, `fd_filestat_get` is NOSYS (its struct was another), and `poll_oneoff` reads the older struct.\n";
}

}  // namespace weir::wasi
