#include "host/prometheus.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <span>

#include "base/label_text.h"

namespace weir {
namespace {

enum class Type : uint8_t { kCounter, kGauge, kHistogram, kSeconds };
constexpr std::string_view kTypeNames[] = {"counter", "gauge", "histogram", "histogram"};
constexpr std::string_view kHistogramEnds[] = {"_bucket", "_sum", "_count"};

struct Family {
  Type type = Type::kCounter;
  std::string help;
  std::map<std::string, std::vector<uint64_t>> series;  ///< cells by label text
};
using Families = std::map<std::string, Family>;

constexpr std::string_view kBlock = "block";

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// `text` as a metric's or a label's name.
std::string NameOf(std::string_view text, bool metric) {
  std::string name;
  for (const char c : text) name += IsLetter(c) || IsDigit(c) || (metric && c == ':') ? c : '_';
  if (name.empty() || IsDigit(name[0])) name.insert(0, 1, '_');
  return name;
}

/// Labels in the order of their names, each name once: the first counts.
class Labels {
 public:
  /// `block`: see MetricSource.
  explicit Labels(std::string_view block) : taken_(!block.empty()) {
    if (taken_) Insert(std::string(kBlock), block);
  }
  void Add(std::string_view key, std::string_view value) {
    std::string name = NameOf(key, /*metric=*/false);
    if (name.starts_with("__")) name.insert(0, "label");  // Prometheus keeps these for itself
    if (name == "le") name = "label_le";                  // the bound of a bucket
    if (taken_ && name == kBlock) name = "label_block";
    Insert(std::move(name), value);
  }
  std::string text() const {
    std::string all;
    for (const auto& [name, value] : labels_) all.append(all.empty() ? "" : ",").append(name).append("=\"").append(value).append("\"");
    return all;
  }

 private:
  void Insert(std::string name, std::string_view value) {
    std::string text;
    AppendLabelValue(value, &text);
    labels_.emplace(std::move(name), std::move(text));
  }
  std::map<std::string, std::string> labels_;
  const bool taken_;
};

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

/// `key=value,key="value, too"` without the braces.
void ReadBraces(std::string_view text, Labels* labels) {
  while (!(text = Trim(text)).empty()) {
    const size_t equals = text.find_first_of("=,");
    if (equals == text.npos || text[equals] == ',') {  // a word alone
      const std::string_view word = Trim(text.substr(0, equals));
      if (!word.empty()) labels->Add(word, "");
      if (equals == text.npos) return;
      text.remove_prefix(equals + 1);
      continue;
    }
    const std::string_view key = Trim(text.substr(0, equals));
    text = Trim(text.substr(equals + 1));
    std::string value;
    if (text.starts_with('"')) {
      size_t i = 1;
      for (; i < text.size() && text[i] != '"'; ++i) {
        const bool escaped = text[i] == '\\' && i + 1 < text.size();
        if (escaped) ++i;
        value += escaped && text[i] == 'n' ? '\n' : text[i];
      }
      text.remove_prefix(std::min(i + 1, text.size()));
      text.remove_prefix(std::min(text.find(','), text.size()));
    } else {
      const size_t end = std::min(text.find(','), text.size());
      value = Trim(text.substr(0, end));
      text.remove_prefix(end);
    }
    if (!text.empty()) text.remove_prefix(1);
    labels->Add(key, value);
  }
}

/// Envoy's tags: `key=.=value;.;key=.=value;.;name`. What is no tag is left in `name`.
std::string ReadTags(std::string_view text, Labels* labels) {
  constexpr std::string_view kEnd = ";.;", kEquals = "=.=";
  std::string name;
  while (!text.empty()) {
    const size_t end = text.find(kEnd);
    const std::string_view part = text.substr(0, end);
    const size_t equals = part.find(kEquals);
    if (equals != part.npos) {
      labels->Add(part.substr(0, equals), part.substr(equals + kEquals.size()));
    } else {
      name += part;
    }
    text.remove_prefix(end == text.npos ? text.size() : end + kEnd.size());
  }
  return name;
}

struct Named {
  std::string name, labels;
};

Named ReadName(std::string_view text, std::string_view block) {
  Labels labels(block);
  std::string name(text);
  if (text.find("=.=") != text.npos) {
    name = ReadTags(text, &labels);
  } else if (const size_t open = text.find('{'); open != text.npos) {
    const size_t close = text.ends_with('}') ? text.size() - 1 : text.size();
    ReadBraces(text.substr(open + 1, close - open - 1), &labels);
    name = text.substr(0, open);
  }
  name = NameOf(name, /*metric=*/true);
  if (name.starts_with("weir_")) name.insert(0, "plugin_");
  return {std::move(name), labels.text()};
}

Type TypeOf(MetricType type) {
  return type == MetricType::kCounter ? Type::kCounter : type == MetricType::kGauge ? Type::kGauge : Type::kHistogram;
}
Type TypeOf(OwnMetricRow::Kind kind) {
  return kind == OwnMetricRow::Kind::kCounter ? Type::kCounter : kind == OwnMetricRow::Kind::kGauge ? Type::kGauge : Type::kSeconds;
}

/// Whether a family of that name and type would write into another's series.
bool Clashes(const Families& families, const std::string& name, Type type) {
  if (const auto found = families.find(name); found != families.end()) return found->second.type != type;
  for (const std::string_view end : kHistogramEnds) {
    if (type == Type::kHistogram && families.contains(name + std::string(end))) return true;
    if (!name.ends_with(end)) continue;
    const auto histogram = families.find(name.substr(0, name.size() - end.size()));
    if (histogram != families.end() && histogram->second.type >= Type::kHistogram) return true;
  }
  return false;
}

void Insert(Family& family, std::string labels, const std::vector<uint64_t>& cells) {
  const auto [at, made] = family.series.try_emplace(std::move(labels), cells);
  if (made) return;
  for (size_t i = 0; i < cells.size(); ++i) at->second[i] += cells[i];
}

class Writer {
 public:
  void Write(const std::string& name, const Family& family) {
    out_.append("# HELP ").append(name).append(" ").append(family.help).append("\n# TYPE ").append(name).append(" ");
    out_.append(kTypeNames[static_cast<size_t>(family.type)]).append("\n");
    for (const auto& [labels, cells] : family.series) {
      switch (family.type) {
        case Type::kCounter: Line(name, labels, std::to_string(cells[0])); break;
        case Type::kGauge: Line(name, labels, std::to_string(static_cast<int64_t>(cells[0]))); break;
        case Type::kHistogram: Histogram(name, labels, cells, kHistogramBounds, Number); break;
        case Type::kSeconds: Histogram(name, labels, cells, kDurationBoundsNs, Seconds); break;
      }
    }
  }
  std::string text() && { return std::move(out_); }

 private:
  static std::string Number(uint64_t value) { return std::to_string(value); }
  /// Nanoseconds, exactly: "0.00025".
  static std::string Seconds(uint64_t ns) {
    std::string text = std::to_string(ns / 1'000'000'000), part = std::to_string(ns % 1'000'000'000);
    part.insert(0, 9 - part.size(), '0');
    while (part.ends_with('0')) part.pop_back();
    return part.empty() ? text : text + "." + part;
  }
  void Line(const std::string& name, const std::string& labels, const std::string& value) {
    out_ += name;
    if (!labels.empty()) out_.append("{").append(labels).append("}");
    out_.append(" ").append(value).append("\n");
  }
  void Histogram(const std::string& name, const std::string& labels, const std::vector<uint64_t>& cells, std::span<const uint64_t> bounds,
                 std::string (*show)(uint64_t)) {
    const std::string before = labels.empty() ? "" : labels + ",";
    uint64_t count = 0;
    for (size_t i = 0; i <= bounds.size(); ++i) {
      count += cells[1 + i];
      Line(name + "_bucket", before + "le=\"" + (i < bounds.size() ? show(bounds[i]) : "+Inf") + "\"", std::to_string(count));
    }
    Line(name + "_sum", labels, show(cells[0]));
    Line(name + "_count", labels, std::to_string(count));
  }

  std::string out_;
};

}  // namespace

std::string PrometheusText(std::span<const MetricSource> sources) {
  Families families;
  struct Defined {
    const MetricReading* reading;
    std::string_view block;
  };
  std::vector<Defined> sorted;  // so that the same name wins each time
  for (const MetricSource& source : sources) {
    const auto with_block = [&](std::string labels) {
      if (source.block.empty()) return labels;
      labels.append(labels.empty() ? "" : ",").append(kBlock).append("=\"");
      AppendLabelValue(source.block, &labels);
      return labels + '"';
    };
    for (const OwnReading& reading : source.own) {
      const OwnMetricRow& row = RowOf(reading.metric);
      Family& family = families[std::string(row.name)];
      family.type = TypeOf(row.kind);
      family.help = row.help;
      Insert(family, with_block(reading.labels), reading.cells);
    }
    for (const LooseReading& reading : source.loose) {
      Family& family = families[std::string(reading.name)];
      family.type = reading.kind == LooseReading::Kind::kCounter ? Type::kCounter : Type::kGauge;
      family.help = reading.help;
      Insert(family, with_block(reading.labels), {reading.value});
    }
    for (const MetricReading& reading : source.defined) sorted.push_back({&reading, source.block});
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const Defined& a, const Defined& b) { return a.reading->name < b.reading->name; });
  for (const auto& [reading, block] : sorted) {
    auto [name, labels] = ReadName(reading->name, block);
    const Type type = TypeOf(reading->type);
    while (Clashes(families, name, type)) name.append("_").append(kTypeNames[static_cast<size_t>(type)]);
    Family& family = families[name];
    family.type = type;
    family.help = "Defined by a plugin.";
    Insert(family, std::move(labels), reading->cells);
  }
  Writer writer;
  for (const auto& [name, family] : families) writer.Write(name, family);
  return std::move(writer).text();
}

std::string PrometheusText(const std::vector<OwnReading>& own, const std::vector<MetricReading>& defined,
                           const std::vector<LooseReading>& loose) {
  const MetricSource source{own, defined, loose, {}};
  return PrometheusText(std::span(&source, 1));
}

}  // namespace weir
