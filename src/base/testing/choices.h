// What a test does next: by a seed, as a unit test, or by the bytes of libFuzzer. With WEIR_FUZZER there is no GoogleTest.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#ifdef WEIR_FUZZER
#define HOLDS(condition)                                                                  \
  do {                                                                                    \
    if (condition) break;                                                                 \
    std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
    std::abort();                                                                         \
  } while (false)
#else
#include <gtest/gtest.h>
#define HOLDS(condition)    \
  do {                      \
    EXPECT_TRUE(condition); \
  } while (false)
#endif

namespace weir {

class Choices {
 public:
  explicit Choices(uint64_t seed) : random_(seed) {}
  /// The bytes outlive it. When they have ended, every choice is 0.
  Choices(const uint8_t* bytes, size_t size) : bytes_(bytes), left_(size) {}
  /// 64 bits of a seed; two bytes of the fuzzer's.
  uint64_t operator()() {
    if (bytes_ == nullptr) return random_();
    uint64_t choice = 0;
    const size_t taken = std::min<size_t>(left_, 2);
    std::memcpy(&choice, bytes_, taken);
    bytes_ += taken;
    left_ -= taken;
    return choice;
  }
  bool done() const { return bytes_ != nullptr && left_ == 0; }
  bool Sometimes(unsigned one_in) { return (*this)() % one_in == 0; }
  template <class T>
  auto& Any(T& from) {
    return from[(*this)() % std::size(from)];
  }

 private:
  std::mt19937_64 random_;
  const uint8_t* bytes_ = nullptr;
  size_t left_ = 0;
};

}  // namespace weir
