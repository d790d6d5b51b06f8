#include "cclb/json_number.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace weir::cclb {
namespace {

// The double nearest to 10^n, for n up to 308.
constexpr int kPowers = 309;
const std::array<double, kPowers>& PowersOfTen() {
  static const std::array<double, kPowers> kTable = [] {
    std::array<double, kPowers> table;
    for (int n = 0; n < kPowers; ++n) {
      const std::string text = "1e" + std::to_string(n);
      std::from_chars(text.data(), text.data() + text.size(), table[static_cast<size_t>(n)]);
    }
    return table;
  }();
  return kTable;
}

// serde_json reads the digits into 64 bits, drops those that do not fit, and scales by one or two powers of ten. The result may be
// one unit off the nearest double; plugins and recorded answers see the reference's value, so this follows it step by step.
class Reader {
 public:
  Reader(const char* p, const char* end) : p_(p), end_(end) {}

  JsonNumber Read() {
    if (*p_ == '-') {
      negative_ = true;
      ++p_;
    }
    if (p_ == end_) return Fault("EOF while parsing a value");
    if (*p_ == '0') {
      ++p_;
      if (IsDigit()) return Fault("invalid number");
      return AfterInteger(0);
    }
    if (!IsDigit()) return Fault("invalid number");
    uint64_t significand = 0;
    while (IsDigit()) {
      if (!Append(&significand)) return LongInteger(significand);
    }
    return AfterInteger(significand);
  }

 private:
  bool IsDigit() const { return p_ != end_ && *p_ >= '0' && *p_ <= '9'; }
  bool IsExponent() const { return p_ != end_ && (*p_ == 'e' || *p_ == 'E'); }
  // Takes the digit, unless 64 bits cannot hold it.
  bool Append(uint64_t* significand) {
    const auto digit = static_cast<uint64_t>(*p_ - '0');
    constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
    if (*significand > kMost / 10 || (*significand == kMost / 10 && digit > kMost % 10)) return false;
    *significand = *significand * 10 + digit;
    ++p_;
    return true;
  }

  JsonNumber AfterInteger(uint64_t significand) {
    if (p_ != end_ && *p_ == '.') return Fraction(significand, 0);
    if (IsExponent()) return Exponent(significand, 0);
    if (!negative_) return {JsonKind::kUint, significand, nullptr, p_};
    const uint64_t negated = 0 - significand;
    if (static_cast<int64_t>(negated) >= 0) return Double(-static_cast<double>(significand));  // -0, or below the least int64
    return {JsonKind::kInt, negated, nullptr, p_};
  }

  JsonNumber LongInteger(uint64_t significand) {
    int32_t exponent = 0;
    while (IsDigit()) {
      ++p_;
      if (exponent < std::numeric_limits<int32_t>::max() / 2) ++exponent;
    }
    if (p_ != end_ && *p_ == '.') return Fraction(significand, exponent);
    if (IsExponent()) return Exponent(significand, exponent);
    return Scale(significand, exponent);
  }

  JsonNumber Fraction(uint64_t significand, int32_t exponent) {
    ++p_;
    if (p_ == end_) return Fault("EOF while parsing a value");
    if (!IsDigit()) return Fault("invalid number");
    while (IsDigit()) {
      if (!Append(&significand)) {
        while (IsDigit()) ++p_;
        break;
      }
      --exponent;
    }
    if (IsExponent()) return Exponent(significand, exponent);
    return Scale(significand, exponent);
  }

  JsonNumber Exponent(uint64_t significand, int32_t start) {
    ++p_;
    bool positive = true;
    if (p_ != end_ && (*p_ == '+' || *p_ == '-')) positive = *p_++ == '+';
    if (p_ == end_) return Fault("EOF while parsing a value");
    if (!IsDigit()) return Fault("invalid number");
    int64_t exponent = 0;
    while (IsDigit()) {
      exponent = exponent * 10 + (*p_ - '0');
      ++p_;
      if (exponent > std::numeric_limits<int32_t>::max()) {
        if (significand != 0 && positive) return Fault("number out of range");
        while (IsDigit()) ++p_;
        return Double(negative_ ? -0.0 : 0.0);
      }
    }
    const int64_t sum = positive ? start + exponent : start - exponent;
    constexpr int64_t kLeast = std::numeric_limits<int32_t>::min(), kMost = std::numeric_limits<int32_t>::max();
    return Scale(significand, static_cast<int32_t>(sum < kLeast ? kLeast : sum > kMost ? kMost : sum));
  }

  JsonNumber Scale(uint64_t significand, int32_t exponent) {
    auto value = static_cast<double>(significand);
    while (true) {
      const int64_t distance = std::llabs(static_cast<int64_t>(exponent));
      if (distance < kPowers) {
        const double power = PowersOfTen()[static_cast<size_t>(distance)];
        value = exponent >= 0 ? value * power : value / power;
        if (std::isinf(value)) return Fault("number out of range");
        break;
      }
      if (value == 0.0) break;
      if (exponent >= 0) return Fault("number out of range");
      value /= 1e308;
      exponent += 308;
    }
    return Double(negative_ ? -value : value);
  }

  JsonNumber Double(double value) const { return {JsonKind::kDouble, std::bit_cast<uint64_t>(value), nullptr, p_}; }
  JsonNumber Fault(const char* what) const { return {JsonKind::kDouble, 0, what, p_}; }

  const char* p_;
  const char* end_;
  bool negative_ = false;
};

// Where the reference changes from plain digits to an exponent: the power of ten of the first digit.
struct FixedRange {
  int least, most;
};

template <class Real>
void AppendReal(Real value, FixedRange fixed, Out* out) {
  if (!std::isfinite(value)) {
    out->append("null");
    return;
  }
  char scratch[64];
  const auto [end, error] = std::to_chars(scratch, scratch + sizeof scratch, value, std::chars_format::scientific);
  std::string_view text(scratch, static_cast<size_t>(end - scratch));
  if (text.front() == '-') {
    out->push_back('-');
    text.remove_prefix(1);
  }
  const size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits.append(text.substr(2, e - 2));
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  const int count = static_cast<int>(digits.size());
  if (value == 0) {
    out->append("0.0");
  } else if (exponent < fixed.least || exponent > fixed.most) {
    out->push_back(digits[0]);
    if (count > 1) out->append("." + digits.substr(1));
    out->append((exponent < 0 ? "e-" : "e+") + std::to_string(std::abs(exponent)));
  } else if (exponent < 0) {
    out->append("0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits);
  } else if (count <= exponent + 1) {
    out->append(digits + std::string(static_cast<size_t>(exponent + 1 - count), '0') + ".0");
  } else {
    out->append(digits.insert(static_cast<size_t>(exponent + 1), "."));
  }
}

template <class Integer>
void AppendInteger(Integer value, Out* out) {
  constexpr size_t kDigitsMax = 24;
  out->Ensure(kDigitsMax);
  out->set_position(std::to_chars(out->position(), out->position() + kDigitsMax, value).ptr);
}

}  // namespace

JsonNumber ReadJsonNumber(const char* p, const char* end) noexcept { return Reader(p, end).Read(); }
void AppendDouble(double value, Out* out) { AppendReal(value, {-5, 15}, out); }
void AppendFloat(float value, Out* out) { AppendReal(value, {-6, 12}, out); }
void AppendUint(uint64_t value, Out* out) { AppendInteger(value, out); }
void AppendInt(int64_t value, Out* out) { AppendInteger(value, out); }

}  // namespace weir::cclb
