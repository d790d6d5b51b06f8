// The text that Prometheus reads (exposition format 0.0.4).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/metric_shape.h"

namespace weir {

inline constexpr std::string_view kPrometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/// A number that is not counted but looked up when it is asked for.
struct LooseReading {
  enum class Kind : uint8_t { kCounter, kGauge } kind = Kind::kGauge;
  std::string_view name, help;
  std::string labels;  ///< `a="b",c="d"`
  uint64_t value = 0;
};

/// All of them as one text: each family once, each series once. A plugin's metric is named by what comes before its labels, in
/// letters, digits, `_` and `:` (others become `_`); one that begins with weir_ gets plugin_ before it; labels are those in
/// `{key=value,…}` (quotes or none) or in Envoy's `key=.=value;.;` tags. Names that become the same series are added up; of families
/// that would differ in type, the later ones get the type behind their name.
std::string PrometheusText(const std::vector<OwnReading>& own, const std::vector<MetricReading>& defined,
                           const std::vector<LooseReading>& loose);

/// What one zone says.
struct MetricSource {
  std::vector<OwnReading> own;
  std::vector<MetricReading> defined;
  std::vector<LooseReading> loose;
  std::string block;  ///< value of a label `block` that each of its series gets (a plugin's own label of that name becomes label_block); empty: none
};
/// The same for several.
std::string PrometheusText(std::span<const MetricSource> sources);

}  // namespace weir
