#include "capi/log_filter.h"

#include <gtest/gtest.h>

namespace weir::capi {
namespace {

using extism::LogLevel;

// What libextism 1.41 was seen to do with each: its get_log_level, and whether lines of plugins are there.
TEST(LogFilter, IsThatOfTheReference) {
  const struct {
    const char* text;
    LogLevel most, plugins;
  } rows[] = {
      {"trace", LogLevel::kTrace, LogLevel::kTrace},
      {"TRACE", LogLevel::kTrace, LogLevel::kTrace},
      {"3", LogLevel::kInfo, LogLevel::kInfo},
      {"extism=info", LogLevel::kInfo, LogLevel::kInfo},
      {"extism::pdk=debug", LogLevel::kDebug, LogLevel::kDebug},
      {"cranelift=debug", LogLevel::kDebug, LogLevel::kOff},
      {"off", LogLevel::kOff, LogLevel::kOff},
      {"nonsense", LogLevel::kTrace, LogLevel::kOff},
      {"warn,extism=info", LogLevel::kInfo, LogLevel::kInfo},
      {"extism=info,warn", LogLevel::kInfo, LogLevel::kInfo},
      {"", LogLevel::kError, LogLevel::kError},
  };
  for (const auto& row : rows) {
    const LogFilter filter = ParseLogFilter(row.text);
    EXPECT_EQ(filter.most, row.most) << row.text;
    EXPECT_EQ(filter.plugins, row.plugins) << row.text;
  }
}

TEST(LogFilter, PassesOverWhatIsNone) {
  EXPECT_EQ(ParseLogFilter("extism=loud").plugins, LogLevel::kError);
  EXPECT_EQ(ParseLogFilter("extism=loud,extism=warn").plugins, LogLevel::kWarn);
  EXPECT_EQ(ParseLogFilter(",,,").plugins, LogLevel::kError);
}

}  // namespace
}  // namespace weir::capi
