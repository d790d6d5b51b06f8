// master                                            canary child
//   fork ───────────────────────────────────────────► for each plugin:
//   waits, 120 s for a compilation,        ◄── 'C' ──   compile, or take it from the cache
//   then the plugin's start time           ◄── 'P' path / 'M' ── where the code is: a file of the cache, or the memfd
//                                          ◄── 'H' hash ── of the module
//                                          ◄── 'S' ──   start, vm_start, configure
//   logs, refuses the configuration        ◄── 'E' text ── the first that fails
//   keeps the descriptors                  ◄── 'O' ──   all good; _exit
//
// The master never touches Wasmtime: its threads would not survive a fork, and a child that compiles then waits for ever.
// One record: type (1 byte), plugin (4 bytes), size of the text (4 bytes), text.
#include "nginx/canary.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "nginx/calls.h"
#include "nginx/fd.h"
#include "nginx/host.h"
#include "nginx/services.h"

namespace weir::nginx {
namespace {

constexpr int64_t kCompileMs = 120'000;  // 24 MB of Go take 14 s on one core

enum class RecordType : char {
  kCompiling = 'C',
  kPath = 'P',
  kMemory = 'M',
  kCode = 'H',
  kWarning = 'W',
  kStarting = 'S',
  kError = 'E',
  kGood = 'O',
};

struct Record {
  RecordType type;
  uint32_t plugin;
  std::string text;
};

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return true;
}

void Send(int fd, RecordType type, size_t plugin, std::string_view text = {}) {
  std::string record(1, static_cast<char>(type));
  for (const auto number : {static_cast<uint32_t>(plugin), static_cast<uint32_t>(text.size())}) {
    record.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  record.append(text);
  WriteAll(fd, record);
}

int64_t NowMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

/// One plugin to check and what the child said of it.
struct Check {
  PluginConf* conf;
  Fd memory;         ///< for code that no cache keeps
  std::string path;  ///< of the code in the cache
};

// ---- child

/// Compiles and starts one plugin. Empty: good.
std::string CheckOne(Engine& engine, const CodeCache& cache, Host& host, const Check& check, int pipe, size_t index) {
  const PluginSpec& spec = check.conf->spec;
  Send(pipe, RecordType::kCompiling, index);
  Result<std::string> wasm = ReadFile(spec.path);
  if (!wasm) return wasm.error().message;
  Result<Engine::Loaded> loaded = engine.Load(*wasm, spec.path, cache);
  if (!loaded) return loaded.error().message;
  if (!loaded->warning.empty()) Send(pipe, RecordType::kWarning, index, loaded->warning);
  Send(pipe, RecordType::kCode, index, loaded->module->code_id());
  if (!loaded->artefact.empty()) {
    Send(pipe, RecordType::kPath, index, loaded->artefact);
  } else {
    Result<std::string> code = engine.Serialize(*loaded->module);
    if (!code) return code.error().message;
    if (!WriteAll(check.memory.get(), *code)) {
      return "its compiled code cannot be kept: " + std::string(std::strerror(errno)) +
             "; give it a weir_cache directory";
    }
    Send(pipe, RecordType::kMemory, index);
  }
  Send(pipe, RecordType::kStarting, index);
  Result<std::unique_ptr<Plugin>> plugin = LoadPlugin(engine, loaded->module, spec, host);
  if (!plugin) return plugin.error().message;
  plugin->release();  // the process ends soon: no time for good byes
  return {};
}

[[noreturn]] void RunChild(const std::vector<Check>& checks, const MainConf& conf, const std::string& cache_directory, int pipe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGCHLD, SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGWINCH, SIGALRM, SIGIO, SIGPIPE}) {
    signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  EngineOptions options;
  options.pooling = false;  // a handful of instances, once
  Result<std::unique_ptr<Engine>> engine = Engine::Create(options);
  if (!engine) {
    Send(pipe, RecordType::kError, 0, engine.error().message);
    _exit(1);
  }
  NgxLog log;
  SystemClock clock;
  NoTimers timers;
  Services services;
  CanaryCalls calls(conf);
  VmPool vms;
  Host host{log,    clock, services.shared_data(), services.queues(), services.metrics(),
            timers, services.foreign_functions(), calls, &vms};
  const CodeCache cache{cache_directory};
  for (size_t i = 0; i < checks.size(); i++) {
    const std::string wrong = CheckOne(**engine, cache, host, checks[i], pipe, i);
    if (!wrong.empty()) {
      Send(pipe, RecordType::kError, i, wrong);
      _exit(1);
    }
  }
  Send(pipe, RecordType::kGood, 0);
  _exit(0);
}

// ---- master

/// Takes whole records off the front of what came.
bool TakeRecord(std::string* bytes, Record* record) {
  constexpr size_t kHead = 1 + 2 * sizeof(uint32_t);
  if (bytes->size() < kHead) return false;
  uint32_t size = 0;
  std::memcpy(&record->plugin, bytes->data() + 1, sizeof record->plugin);
  std::memcpy(&size, bytes->data() + 1 + sizeof record->plugin, sizeof size);
  if (bytes->size() - kHead < size) return false;
  record->type = static_cast<RecordType>((*bytes)[0]);
  record->text = bytes->substr(kHead, size);
  bytes->erase(0, kHead + size);
  return true;
}

/// What the child is at, and how long it may take.
struct Progress {
  size_t plugin = 0;
  bool starting = false;
  bool good = false;
  std::string error;
  int64_t deadline_ms = 0;
  std::string limit;  ///< for the message
};

void Note(ngx_conf_t* cf, const Record& record, std::vector<Check>& checks, Progress* progress) {
  if (record.plugin >= checks.size()) return;
  Check& check = checks[record.plugin];
  const PluginSpec& spec = check.conf->spec;
  switch (record.type) {
    case RecordType::kCompiling:
      *progress = {.plugin = record.plugin, .deadline_ms = NowMs() + kCompileMs, .limit = "compiled within 120 s"};
      break;
    case RecordType::kStarting: {
      // The engine ends start, vm_start and configure by itself at their CPU time: this is for what it cannot end.
      const int64_t start_ms = spec.limits.start_ms;
      progress->starting = true;
      progress->deadline_ms = NowMs() + 3 * start_ms + 1000;
      progress->limit = "started within three times start_timeout=" + std::to_string(start_ms) + "ms";
      break;
    }
    case RecordType::kPath:
      check.path = record.text;
      break;
    case RecordType::kMemory:
      break;
    case RecordType::kCode:
      check.conf->code_id = record.text;
      break;
    case RecordType::kWarning: {
      const ngx_str_t name = Borrow(spec.name), text = Borrow(record.text);
      ngx_log_error(NGX_LOG_WARN, cf->log, 0, "weir: plugin \"%V\": weir_cache: %V", &name, &text);
      break;
    }
    case RecordType::kError:
      progress->plugin = record.plugin;
      progress->error = record.text;
      break;
    case RecordType::kGood:
      progress->good = true;
      break;
  }
}

/// Reads the child's records until it ends or its time is over.
Progress Watch(ngx_conf_t* cf, pid_t child, int pipe, std::vector<Check>& checks) {
  Progress progress{.deadline_ms = NowMs() + kCompileMs, .limit = "compiled within 120 s"};
  std::string bytes;
  bool late = false;
  for (;;) {
    const int64_t left = progress.deadline_ms - NowMs();
    pollfd watched{pipe, POLLIN, 0};
    const int ready = left > 0 ? poll(&watched, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) {
      late = true;
      kill(child, SIGKILL);
      break;
    }
    char piece[4096];
    const ssize_t size = read(pipe, piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    bytes.append(piece, static_cast<size_t>(size));
    for (Record record; TakeRecord(&bytes, &record);) Note(cf, record, checks, &progress);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (late) {
    progress.error = "was not " + progress.limit + ", and was stopped";
  } else if (!progress.good && progress.error.empty()) {
    progress.error = std::string(progress.starting ? "crashed while it started" : "crashed the compiler") +
                     (WIFSIGNALED(status) ? ": signal " + std::to_string(WTERMSIG(status))
                                          : ": exit code " + std::to_string(WEXITSTATUS(status)));
  }
  return progress;
}

/// Everything that could make a second check come out differently.
std::string IdentityOf(const PluginSpec& spec, const MainConf& conf, const struct stat& file) {
  std::string identity;
  const auto text = [&](std::string_view part) {
    identity.append(std::to_string(part.size())).append(":").append(part);
  };
  const auto number = [&](auto value) { text(std::to_string(static_cast<uint64_t>(value))); };
  for (const auto& part : {spec.name, spec.path, spec.root_id, spec.vm_id, spec.configuration, spec.vm_configuration}) {
    text(part);
  }
  for (const auto& [name, value] : spec.environment) text(name), text(value);
  for (const Cluster& cluster : conf.upstreams) text(cluster.name);  // a plugin may refuse to start without its upstream
  for (const std::string& pattern : conf.allowed_hosts) text(pattern);
  for (const auto& part : {spec.node.id, spec.node.cluster, spec.node.region, spec.node.zone, spec.node.sub_zone}) text(part);
  for (const auto& [name, value] : spec.node.metadata) text(name), text(value);
  number(spec.limits.memory_bytes), number(spec.limits.callback_ms), number(spec.limits.start_ms);
  number(spec.limits.body_bytes), number(spec.on_error), number(spec.statuses), number(spec.header_pause);
  number(spec.on_buffer_full), number(spec.stderr_level);
  for (const auto* names : {&spec.allow.functions, &spec.allow.upstreams, &spec.allow.foreign}) {
    number(names->has_value());
    for (const std::string& name : names->value_or(std::vector<std::string>())) text(name);
  }
  number(file.st_dev), number(file.st_ino), number(file.st_size);
  number(file.st_mtim.tv_sec), number(file.st_mtim.tv_nsec), number(file.st_ctim.tv_sec), number(file.st_ctim.tv_nsec);
  return identity;
}

/// The running configuration, when it has the module.
MainConf* RunningConf(ngx_cycle_t* cycle) {
  ngx_cycle_t* old = cycle->old_cycle;
  if (old == nullptr || old->modules == nullptr || old->conf_ctx == nullptr) return nullptr;
  for (ngx_module_t** module = old->modules; *module != nullptr; module++) {
    if (*module == &ThisModule()) return MainOf(old);
  }
  return nullptr;
}

bool TakeOver(const MainConf* running, PluginConf& conf) {
  if (running == nullptr) return false;
  for (const auto& old : running->plugins) {
    if (old->loaded != conf.loaded || old->artefact_fd < 0) continue;
    conf.artefact_fd = fcntl(old->artefact_fd, F_DUPFD_CLOEXEC, 0);
    conf.code_id = old->code_id;
    return conf.artefact_fd >= 0;
  }
  return false;
}

/// The code as an open file, that workers of another user may map too (its directory stays closed to them).
bool KeepArtefact(Check& check) {
  if (check.path.empty()) {
    check.conf->artefact_fd = check.memory.release();
    return true;
  }
  Fd file(open(check.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) return false;
  if (geteuid() == 0 && fchmod(file.get(), 0644) != 0) return false;
  check.conf->artefact_fd = file.release();
  return true;
}

std::string Subject(const PluginSpec& spec) {
  return "weir: plugin \"" + spec.name + "\" (" + spec.path + "): ";
}

/// The plugin and its file once, whether or not the error names them already.
std::string Describe(const PluginSpec& spec, const std::string& error) {
  if (error.starts_with("plugin \"")) return "weir: " + error;
  if (error.starts_with(spec.path)) return "weir: plugin \"" + spec.name + "\": " + error;
  return Subject(spec) + error;
}

}  // namespace

bool CheckPlugins(ngx_conf_t* cf, MainConf& conf) {
  const MainConf* running = RunningConf(cf->cycle);
  std::vector<Check> checks;
  std::vector<std::string> identities;
  for (const auto& plugin : conf.plugins) {
    struct stat file {};
    if (stat(plugin->spec.path.c_str(), &file) != 0) {
      Complain(cf, Subject(plugin->spec) + std::strerror(errno) + "; weir_plugin wants the path of a .wasm file",
               plugin->where);
      return false;
    }
    identities.push_back(IdentityOf(plugin->spec, conf, file));
  }
  for (const auto& plugin : conf.plugins) {
    for (size_t i = 0; i < identities.size(); i++) {  // those of one VM are checked together, as they will start
      const PluginConf& other = *conf.plugins[i];
      if (&other == plugin.get() || SharesVm(other.spec, plugin->spec)) plugin->loaded += identities[i];
    }
    if (TakeOver(running, *plugin)) continue;
    checks.push_back({plugin.get(), Fd(memfd_create("weir-plugin", MFD_CLOEXEC)), {}});
  }
  if (checks.empty()) return true;

  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) {
    Complain(cf, "weir: no pipe: " + std::string(std::strerror(errno)), checks[0].conf->where);
    return false;
  }
  const Fd out(pipes[0]);
  Fd in(pipes[1]);
  const std::string cache =
      conf.cache_set ? conf.cache_directory : CodeCache::Default().directory;
  const pid_t child = fork();
  if (child == 0) {
    close(out.get());
    RunChild(checks, conf, cache, in.get());
  }
  if (child < 0) {
    Complain(cf, "weir: cannot fork: " + std::string(std::strerror(errno)), checks[0].conf->where);
    return false;
  }
  close(in.release());
  const Progress progress = Watch(cf, child, out.get(), checks);
  if (!progress.good) {
    const PluginConf& plugin = *checks[progress.plugin].conf;
    Complain(cf, Describe(plugin.spec, progress.error), plugin.where);
    return false;
  }
  for (Check& check : checks) {
    if (KeepArtefact(check)) continue;
    Complain(cf, Subject(check.conf->spec) + check.path + ": " + std::strerror(errno), check.conf->where);
    return false;
  }
  return true;
}

}  // namespace weir::nginx
