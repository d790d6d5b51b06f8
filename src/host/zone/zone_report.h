// How full a zone is, for the exposition of metrics.
#pragma once

#include <vector>

#include "host/prometheus.h"
#include "host/zone/zone.h"

namespace weir {

std::vector<LooseReading> ReadZone(Zone& zone);

}  // namespace weir
