// The wire functions, each with its request and response: Dispatch<fn::Shape>(…).
#pragma once

#include <string_view>

#include "weir/cclb/wire.h"

namespace weir::cclb::fn {

struct Shape {
  static constexpr std::string_view kName = "shape";
  using Request = v1::ShapeRequest;
  using Response = v1::ShapeResponse;
};
/// With `upstream_base_url`, which plugins of v1 refuse; the version on the wire is 1 all the same.
struct ShapeV2 {
  static constexpr std::string_view kName = "shape";
  using Request = v2::ShapeRequest;
  using Response = v2::ShapeResponse;
};
struct NormalizeError {
  static constexpr std::string_view kName = "normalize_error";
  using Request = v1::NormalizeErrorRequest;
  using Response = v1::NormalizeErrorResponse;
};
struct BuildSigner {
  static constexpr std::string_view kName = "build_signer";
  using Request = v1::BuildSignerRequest;
  using Response = v1::BuildSignerResponse;
};
struct Sign {
  static constexpr std::string_view kName = "sign";
  using Request = v1::SignRequest;
  using Response = v1::SignResponse;
};
struct OnUnauthorized {
  static constexpr std::string_view kName = "on_unauthorized";
  using Request = v1::OnUnauthorizedRequest;
  using Response = v1::OnUnauthorizedResponse;
};
struct Observe {
  static constexpr std::string_view kName = "observe";
  using Request = v1::ObserveRequest;
  using Response = v1::ObserveResponse;
};
struct Filter {
  static constexpr std::string_view kName = "filter";
  using Request = v3::FilterRequest;
  using Response = v3::FilterResponse;
};

}  // namespace weir::cclb::fn

/// X(Fn) for each function and version.
#define WEIR_CCLB_FUNCTIONS(X)                                                                                                    \
  X(Shape) X(ShapeV2) X(NormalizeError) X(BuildSigner) X(Sign) X(OnUnauthorized) X(Observe) X(Filter)
