#include "host/prometheus.h"

#include <gtest/gtest.h>

namespace weir {
namespace {

MetricReading Counter(std::string name, uint64_t value) { return {std::move(name), MetricType::kCounter, {value}}; }

std::string Text(std::vector<MetricReading> defined) { return PrometheusText({}, defined, {}); }

/// The lines that are no comments.
std::string Samples(std::vector<MetricReading> defined) {
  std::string samples;
  std::string text = Text(std::move(defined));
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at) + 1;
    if (text[at] != '#') samples += text.substr(at, end - at);
    at = end;
  }
  return samples;
}

TEST(Prometheus, WritesAFamilyOnce) {
  EXPECT_EQ(Text({Counter("hits{code=200}", 3), Counter("hits{code=404}", 1)}),
            "# HELP hits Defined by a plugin.\n# TYPE hits counter\nhits{code=\"200\"} 3\nhits{code=\"404\"} 1\n");
}

TEST(Prometheus, GaugesMayBeNegative) {
  EXPECT_EQ(Samples({{"g", MetricType::kGauge, {static_cast<uint64_t>(-5)}}}), "g -5\n");
}

TEST(Prometheus, ReadsLabelsInBothForms) {
  EXPECT_EQ(Samples({Counter("a{x=1, y = two words ,z=\"a,b\\\"c\\n\\\\n\"}", 1)}), "a{x=\"1\",y=\"two words\",z=\"a,b\\\"c\\n\\\\n\"} 1\n");
  EXPECT_EQ(Samples({Counter("reporter=.=source;.;code=.=200;.;istio_requests_total", 2)}), "istio_requests_total{code=\"200\",reporter=\"source\"} 2\n");
  EXPECT_EQ(Samples({Counter("a{}", 1)}), "a 1\n");
  EXPECT_EQ(Samples({Counter("a{", 1)}), "a 1\n");
  EXPECT_EQ(Samples({Counter("a{x", 1)}), "a{x=\"\"} 1\n");
  EXPECT_EQ(Samples({Counter("a{x=", 1)}), "a{x=\"\"} 1\n");
  EXPECT_EQ(Samples({Counter("a{x=\"", 1)}), "a{x=\"\"} 1\n");
  EXPECT_EQ(Samples({Counter("a{x=\"\\", 1)}), "a{x=\"\\\\\"} 1\n");
  EXPECT_EQ(Samples({Counter("a{x=1,x=2}", 1)}), "a{x=\"1\"} 1\n");
}

TEST(Prometheus, MakesEveryNameAValidOne) {
  EXPECT_EQ(Samples({Counter("wasm.filter-1/hits", 1)}), "wasm_filter_1_hits 1\n");
  EXPECT_EQ(Samples({Counter("9lives", 1)}), "_9lives 1\n");
  EXPECT_EQ(Samples({Counter("", 1)}), "_ 1\n");
  EXPECT_EQ(Samples({Counter("a\nb 1\n# TYPE x", 1)}), "a_b_1___TYPE_x 1\n");
  EXPECT_EQ(Samples({Counter("a{k-1=v\nw,__name__=x,le=3}", 1)}), "a{k_1=\"v\\nw\",label__name__=\"x\",label_le=\"3\"} 1\n");
  EXPECT_EQ(Samples({Counter("a{k=\xff}", 1)}), "a{k=\"\xef\xbf\xbd\"} 1\n");
  EXPECT_EQ(Samples({Counter("weir_streams", 1)}), "plugin_weir_streams 1\n");
}

TEST(Prometheus, AddsUpWhatBecomesOneSeries) {
  EXPECT_EQ(Samples({Counter("a.b", 1), Counter("a_b", 2), Counter("a-b{}", 4)}), "a_b 7\n");
  EXPECT_EQ(Samples({Counter("a{x=1,y=2}", 1), Counter("a{y=2,x=\"1\"}", 2)}), "a{x=\"1\",y=\"2\"} 3\n");
}

TEST(Prometheus, KeepsTypesApart) {
  EXPECT_EQ(Samples({Counter("a.b", 1), {"a_b", MetricType::kGauge, {2}}}), "a_b 1\na_b_gauge 2\n");
  MetricReading histogram{"h", MetricType::kHistogram, std::vector<uint64_t>(kHistogramCells)};
  const std::string samples = Samples({histogram, Counter("h_count", 5), Counter("h_bucket", 6)});
  EXPECT_NE(samples.find("\nh_count 0\nh_bucket_counter 6\nh_count_counter 5\n"), std::string::npos) << samples;
  EXPECT_NE(Samples({Counter("a_sum", 5), {"a{}", MetricType::kHistogram, std::vector<uint64_t>(kHistogramCells)}}).find("\na_histogram_sum 0\n"),
            std::string::npos);
}

TEST(Prometheus, HistogramsAreCumulative) {
  MetricReading histogram{"h{k=v}", MetricType::kHistogram, std::vector<uint64_t>(kHistogramCells)};
  histogram.cells[0] = 12'345;
  histogram.cells[1] = 2;
  histogram.cells[3] = 1;
  histogram.cells[kHistogramBuckets] = 4;
  const std::string samples = Samples({histogram});
  EXPECT_EQ(samples.find("h_bucket{k=\"v\",le=\"1\"} 2\nh_bucket{k=\"v\",le=\"5\"} 2\nh_bucket{k=\"v\",le=\"10\"} 3\n"), 0u) << samples;
  EXPECT_NE(samples.find("h_bucket{k=\"v\",le=\"3600000\"} 3\nh_bucket{k=\"v\",le=\"+Inf\"} 7\nh_sum{k=\"v\"} 12345\nh_count{k=\"v\"} 7\n"), std::string::npos)
      << samples;
}

TEST(Prometheus, OwnDurationsAreSeconds) {
  OwnReading reading{OwnMetric::kCallbackSeconds, OwnLabels(OwnMetric::kCallbackSeconds, {"p", "c"}), std::vector<uint64_t>(kDurationCells)};
  reading.cells[0] = 1'500'000'250;
  reading.cells[1] = 1;
  const std::string text = PrometheusText({reading}, {}, {});
  EXPECT_NE(text.find("# TYPE weir_callback_duration_seconds histogram\n"), std::string::npos) << text;
  EXPECT_NE(text.find("weir_callback_duration_seconds_bucket{plugin=\"p\",callback=\"c\",le=\"0.00000025\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("weir_callback_duration_seconds_sum{plugin=\"p\",callback=\"c\"} 1.50000025\n"), std::string::npos) << text;
}

TEST(Prometheus, SourcesAreToldApartByTheirBlock) {
  const OwnReading up{OwnMetric::kPluginUp, OwnLabels(OwnMetric::kPluginUp, {"p"}), {1}};
  const LooseReading workers{LooseReading::Kind::kGauge, "w", "Some.", {}, 2};
  const MetricSource sources[] = {{{up}, {Counter("c", 1), Counter("b{block=x}", 2), Counter("t", 9)}, {workers}, {}},
                                  {{up}, {Counter("c", 4), Counter("b{a=1,block=x}", 8), {"t", MetricType::kGauge, {3}}}, {workers}, "stream"}};
  const std::string text = PrometheusText(sources);
  for (const std::string_view line :
       {"\nweir_plugin_up{plugin=\"p\"} 1\nweir_plugin_up{plugin=\"p\",block=\"stream\"} 1\n", "\nw 2\nw{block=\"stream\"} 2\n", "\nc 1\nc{block=\"stream\"} 4\n",
        "\nb{a=\"1\",block=\"stream\",label_block=\"x\"} 8\nb{block=\"x\"} 2\n", "\nt 9\n", "\nt_gauge{block=\"stream\"} 3\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  EXPECT_EQ(PrometheusText(std::span<const MetricSource>()), "");
}

TEST(Prometheus, LooseNumbersAreFamiliesToo) {
  EXPECT_EQ(PrometheusText({}, {}, {{LooseReading::Kind::kGauge, "z", "Some.", "part=\"data\"", 1}, {LooseReading::Kind::kGauge, "z", "Some.", "part=\"queues\"", 2}}),
            "# HELP z Some.\n# TYPE z gauge\nz{part=\"data\"} 1\nz{part=\"queues\"} 2\n");
}

}  // namespace
}  // namespace weir
