// The schema, as a list of steps: a database is brought from any of them to the last.
#pragma once

#include <cstdint>
#include <span>

#include "cclb/registry/sql.h"

namespace weir::cclb {

struct Migration {
  const char* name;
  const char* text;
};
/// Number 1 is the first. What was released is never edited: a change is a new step.
std::span<const Migration> Migrations();

/// Applies what is missing, all of it or nothing. kSchemaNewer: the database has steps beyond ours. kCorrupt: it has others under our
/// numbers. Several processes may do so at once.
RegistryStatus Migrate(Sql& sql, std::span<const Migration> migrations);

}  // namespace weir::cclb
