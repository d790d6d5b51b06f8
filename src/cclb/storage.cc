#include <map>
#include <mutex>

#include "weir/cclb/host.h"

namespace weir::cclb {
namespace {

class MemoryStorage final : public Storage {
 public:
  Result<std::optional<std::string>> Get(std::string_view plugin, std::string_view key) override {
    std::lock_guard lock(mutex_);
    const auto space = spaces_.find(plugin);
    if (space == spaces_.end()) return std::optional<std::string>();
    const auto found = space->second.values.find(key);
    if (found == space->second.values.end()) return std::optional<std::string>();
    return std::optional(found->second);
  }

  Result<void> Put(std::string_view plugin, std::string_view key, std::string_view value, uint64_t quota_bytes) override {
    std::lock_guard lock(mutex_);
    Space& space = spaces_[std::string(plugin)];
    const auto found = space.values.find(key);
    const uint64_t key_bytes = plugin.size() + 1 + key.size();
    const uint64_t replaced = found == space.values.end() ? 0 : key_bytes + found->second.size();
    const uint64_t used = space.used_bytes - replaced + key_bytes + value.size();
    if (used > quota_bytes) return Error{ErrorCode::kLimit, kQuotaExceeded};
    space.values.insert_or_assign(std::string(key), std::string(value));
    space.used_bytes = used;
    return {};
  }

 private:
  struct Space {
    std::map<std::string, std::string, std::less<>> values;
    uint64_t used_bytes = 0;  ///< of "plugin:key" and values
  };
  std::mutex mutex_;
  std::map<std::string, Space, std::less<>> spaces_;
};

}  // namespace

std::unique_ptr<Storage> NewMemoryStorage() { return std::make_unique<MemoryStorage>(); }

}  // namespace weir::cclb
