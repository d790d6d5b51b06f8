// What plugins store (cc_lb_storage_get, cc_lb_storage_put), kept in a database: the registry's or another one. docs/cc-lb-registry.md
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "weir/cclb/host.h"
#include "weir/cclb/registry.h"

namespace weir::cclb {

/// What an acknowledged Put outlives. None of them leaves half a Put, or a quota that is not what is stored.
enum class Durability : uint8_t {
  kProcess,  ///< kill -9 of any process; a loss of power may undo the last ones (PostgreSQL: as the server is set)
  kPower,    ///< a loss of power, too: each Put waits for the disk
};

struct StorageOptions {
  Durability durability = Durability::kProcess;
  uint32_t busy_ms = 1000;  ///< how long a call waits for other processes; it is the plugin's time that passes
};

/// `source` as for OpenRegistry. Several processes share it, and a plugin's quota is exact over all of them. Calls from several threads take
/// turns. What is there belongs to the plugin's name: it outlives the plugin's record, and another version finds it.
RegistryResult<std::unique_ptr<Storage>> OpenStorage(const std::string& source, const StorageOptions& options = {});

}  // namespace weir::cclb
