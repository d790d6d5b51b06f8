#include "nginx/recording.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "nginx/arguments.h"
#include "nginx/config.h"

namespace weir::nginx {
namespace {

constexpr time_t kSaySeconds = 60;
constexpr mode_t kPrivate = 0600;
constexpr off_t kMostDefault = 64 << 20;
constexpr uint64_t kStreamLeast = 4 << 10, kStreamMost = 16 << 20, kMostLeast = 64 << 10;
constexpr std::string_view kAlwaysRedacted[] = {"authorization", "proxy-authorization", "cookie", "set-cookie"};
constexpr std::string_view kFileInDirectory = "weir.trace";

struct Given {
  RecordConf& conf;
  off_t most = kMostDefault;
};

constexpr Argument<Given> kArguments[] = {
    {"sample", false,
     [](ngx_conf_t*, Given& given, std::string_view value) -> std::string {
       const bool percent = value.ends_with('%');
       const std::string_view number = value.substr(0, value.size() - (percent ? 1 : 0));
       double rate = -1;
       const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), rate);
       if (percent) rate /= 100;
       const bool whole = error == std::errc() && end == number.data() + number.size();
       if (!whole || !(rate >= 0 && rate <= 1)) return "must be from 0 (what traps alone) to 1 (every request), as in sample=0.01 or sample=1%";
       given.conf.sample = rate;
       return {};
     }},
    {"redact", false,
     [](ngx_conf_t*, Given& given, std::string_view value) -> std::string {
       if (value == "none") {
         given.conf.redact.clear();
         return {};
       }
       for (size_t at = 0; at <= value.size();) {
         const size_t end = std::min(value.find(',', at), value.size());
         std::string name(value.substr(at, end - at));
         std::transform(name.begin(), name.end(), name.begin(), Lower);
         at = end + 1;
         if (name.empty() || name == "none") return "must be names of headers, joined by one comma: redact=x-api-key,x-session; or none";
         given.conf.redact.push_back(std::move(name));
       }
       return {};
     }},
    {"traps", false,
     [](ngx_conf_t*, Given& given, std::string_view value) -> std::string {
       if (value != "on" && value != "off") return "must be on or off";
       given.conf.traps = value == "on";
       return {};
     }},
    {"stream", false,
     [](ngx_conf_t*, Given& given, std::string_view value) -> std::string {
       uint64_t bytes = 0;
       if (!ParseSize(value, &bytes)) return BadSize(value);
       if (bytes < kStreamLeast || bytes > kStreamMost) return "must be between 4k and 16m, not " + std::string(value);
       given.conf.stream_bytes = bytes;
       return {};
     }},
    {"max", false,
     [](ngx_conf_t*, Given& given, std::string_view value) -> std::string {
       uint64_t bytes = 0;
       if (!ParseSize(value, &bytes)) return BadSize(value);
       if (bytes < kMostLeast) return "must be at least 64k, not " + std::string(value);
       given.most = static_cast<off_t>(bytes);
       return {};
     }},
};

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return path.ends_with('/') || (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode));
}

}  // namespace

char* TakeRecord(ngx_conf_t* cf, ngx_command_t*, void* raw) noexcept {
  auto& location = *static_cast<LocationConf*>(raw);
  if (location.record != NGX_CONF_UNSET_PTR) return Fail(cf, "weir: weir_record is given twice in one block");
  const std::vector<std::string_view> words = ArgumentsOf(cf);
  if (words[0] == "off") {
    location.record = nullptr;
    return words.size() == 1 ? NGX_CONF_OK : Fail(cf, "weir: weir_record: \"off\" stands alone");
  }
  auto conf = std::make_unique<RecordConf>();
  conf->redact.assign(std::begin(kAlwaysRedacted), std::end(kAlwaysRedacted));
  Given given{*conf};
  std::vector<std::string_view> seen;
  const std::string wrong = TakeArguments<Given>(cf, "weir_record", std::span(kArguments), std::span(words).subspan(1), given, &seen);
  if (!wrong.empty()) return Fail(cf, "weir: weir_record: " + wrong);
  if (conf->sample == 0 && !conf->traps) return Fail(cf, "weir: weir_record: with sample=0 and traps=off nothing is recorded: leave one of them out, or say off");
  conf->path = FullPath(cf, words[0]);
  if (IsDirectory(conf->path)) conf->path.append(conf->path.ends_with('/') ? "" : "/").append(kFileInDirectory);
  if (ngx_process != NGX_PROCESS_SIGNALLER) {
    // nginx would make it readable by all.
    const int fd = open(conf->path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kPrivate);
    if (fd < 0) return Fail(cf, "weir: weir_record: \"" + conf->path + "\" cannot be written: " + std::strerror(errno));
    close(fd);
  }
  ngx_str_t name = Copy(cf->pool, conf->path);
  ngx_open_file_t* file = name.data != nullptr ? ngx_conf_open_file(cf->cycle, &name) : nullptr;
  if (file == nullptr) return static_cast<char*>(NGX_CONF_ERROR);
  conf->file.Set(file);
  conf->file.set_most(given.most);
  conf->sink = &conf->file;
  location.record = conf.get();
  MainOf(cf)->records.push_back(std::move(conf));
  return NGX_CONF_OK;
}

void TraceFile::Say(ngx_err_t error, const char* why) {
  ++dropped_;
  if (said_ != 0 && ngx_time() - said_ < kSaySeconds) return;
  said_ = ngx_time();
  ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, error, "weir: weir_record: %s \"%V\": %uz records were not written; requests go on (said once a minute)", why,
                &file_->name, std::exchange(dropped_, 0));
}

void TraceFile::Write(std::string_view lines) {
  struct stat info {};
  if (file_->fd == NGX_INVALID_FILE || fstat(file_->fd, &info) != 0) return Say(ngx_errno, "cannot write");
  if ((info.st_mode & ~kPrivate & 0777) != 0 && info.st_uid == geteuid()) fchmod(file_->fd, kPrivate);  // nginx made it anew, at USR1
  if (S_ISREG(info.st_mode) && info.st_size + static_cast<off_t>(lines.size()) > most_) return Say(0, "max= is reached in");
  const ssize_t written = write(file_->fd, lines.data(), lines.size());
  if (written == static_cast<ssize_t>(lines.size())) return;
  const ngx_err_t error = written < 0 ? ngx_errno : ENOSPC;
  // A line that broke off is ended, so that the next one is whole.
  if (written > 0 && write(file_->fd, "\n", 1) < 0) return Say(error, "cannot write");
  Say(error, "cannot write");
}

uint64_t TraceFile::generation() {
  struct stat info {};
  if (file_->fd == NGX_INVALID_FILE || fstat(file_->fd, &info) != 0) return 0;
  return info.st_ino ^ info.st_dev << 48;
}

void RecordLog::OnTrapWritten(std::string_view plugin, std::string_view record, const trace::RecordRules& rules) {
  const ngx_str_t name = Borrow(plugin), id = Borrow(record), path = Borrow(static_cast<const RecordConf&>(rules).path);
  ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "weir: plugin \"%V\": what led to its failure is in \"%V\": weir trace %V --id %V", &name, &path, &path, &id);
}

void RecordLog::OnFull(size_t bytes) {
  if (full_said_ != 0 && ngx_time() - full_said_ < kSaySeconds) return;
  full_said_ = ngx_time();
  ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                "weir: weir_record: requests under way have %uz bytes of records in memory: no further ones are recorded (said once a minute)", bytes);
}

}  // namespace weir::nginx
