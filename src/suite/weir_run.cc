#include "suite/run.h"
namespace weir::suite {
CaseOutcome RunOnWeir(const CaseWorld&, const pb::Test&, const std::optional<Chunking>&) { return {}; }
}
