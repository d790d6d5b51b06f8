#include "engine/cpu_features.h"

#include <sys/auxv.h>

#include <cstdio>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace weir::engine {

std::string CpuFeatures() {
  char text[96];
#if defined(__x86_64__)
  unsigned a, b, c, d, basic = 0, extended_b = 0, extended_c = 0, long_c = 0;
  if (__get_cpuid(1, &a, &b, &c, &d)) basic = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) extended_b = b, extended_c = c & ~(1u << 22);  // bit 22: RDPID
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) long_c = c;
  std::snprintf(text, sizeof text, "x86_64-%x-%x-%x-%x", basic, extended_b, extended_c, long_c);
#else
  std::snprintf(text, sizeof text, "%lx-%lx", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
#endif
  return text;
}

}  // namespace weir::engine
