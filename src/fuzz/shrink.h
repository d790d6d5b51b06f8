// A case made as small as it can be and still show the same.
#pragma once

#include <functional>

#include "suite/suite.pb.h"

namespace weir::fuzz {

/// Whether a smaller case still shows it. May add to the case what it needs (Judge::Examine).
using StillFails = std::function<bool(suite::pb::Test&)>;

struct ShrinkLimits {
  int runs_max = 3000;      ///< of `still`
  double seconds_max = 30;  ///< a slow plugin's case stays larger
};

/// Takes out what need not be there (messages, headers, bytes), joins pieces of bodies, then makes numbers smaller and bytes plain; again,
/// until nothing changes. What says how the case is run and what it expects stays.
suite::pb::Test Shrink(suite::pb::Test test, const StillFails& still, const ShrinkLimits& limits = {});

}  // namespace weir::fuzz
