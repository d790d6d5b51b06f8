// weir_record: what plugins see and do, into a file. See docs/trace.md.
#pragma once

#include "nginx/ngx.h"
#include "trace/recorder.h"

namespace weir::nginx {

/// The file of a weir_record line. nginx opens it, hands it to its workers, and opens it anew at USR1.
class TraceFile final : public trace::Sink {
 public:
  void Set(ngx_open_file_t* file) { file_ = file; }
  void set_most(off_t most) { most_ = most; }
  /// Appends; never fails a request. What cannot be written is dropped, and said once a minute.
  void Write(std::string_view lines) override;
  uint64_t generation() override;

 private:
  void Say(ngx_err_t error, const char* why);
  ngx_open_file_t* file_ = nullptr;
  off_t most_ = 0;
  time_t said_ = 0;
  size_t dropped_ = 0;  ///< records since then
};

/// One weir_record line. Lives as long as its configuration cycle.
struct RecordConf : trace::RecordRules {
  std::string path;
  TraceFile file;
};

/// weir_record FILE [sample=RATE] [redact=NAME,…] [traps=on|off] [stream=SIZE] [max=SIZE];   weir_record off;
char* TakeRecord(ngx_conf_t* cf, ngx_command_t* command, void* conf) noexcept;

/// What a recorder says to the error log.
class RecordLog final : public trace::RecorderListener {
 public:
  void OnTrapWritten(std::string_view plugin, std::string_view record, const trace::RecordRules& rules) override;
  void OnFull(size_t bytes) override;

 private:
  time_t full_said_ = 0;
};

}  // namespace weir::nginx
