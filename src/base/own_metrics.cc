#include "weir/own_metrics.h"

#include "base/label_text.h"

namespace weir {

std::string OwnLabels(OwnMetric metric, std::initializer_list<std::string_view> values) {
  std::string text;
  std::string_view names = RowOf(metric).labels;
  for (const std::string_view value : values) {
    const size_t end = names.find(',');
    if (!text.empty()) text += ',';
    text.append(names.substr(0, end)).append("=\"");
    AppendLabelValue(value, &text);
    text += '"';
    names = end == names.npos ? std::string_view() : names.substr(end + 1);
  }
  return text;
}

}  // namespace weir
