// The kernel beside a plain model of what it promises: a guest makes the calls that it is told, the host makes its own in between, and
// each answer is compared. What nobody promises (the bytes of block headers, and all of the blocks once a guest wrote over a header)
// is not compared, but has to stay inside memory. As a test it plays fixed seeds; with WEIR_FUZZER it is a libFuzzer target
// (fuzz/CMakeLists.txt).
#include <map>
#include <optional>
#include <string>

#include "base/testing/choices.h"
#include "weir/extism.h"

namespace weir::extism {
namespace {

/// Calls of the guest, by their number in its br_table.
enum class Op : uint32_t {
  kAlloc, kFree, kLength, kLengthUnsafe, kLoad8, kLoad64, kStore8, kStore64, kInputLength, kInputOffset, kInputLoad8, kInputLoad64, kInputSet,
  kOutputSet, kOutputLength, kOutputOffset, kErrorSet, kErrorGet, kMemoryBytes, kReset, kConfigGet, kVarGet, kVarSet, kLog, kEnd
};

constexpr std::string_view kGuest = R"((module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "length_unsafe" (func $length_unsafe (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "load_u64" (func $load_u64 (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "input_set" (func $input_set (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "output_length" (func $output_length (result i64)))
  (import "extism:host/env" "output_offset" (func $output_offset (result i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "error_get" (func $error_get (result i64)))
  (import "extism:host/env" "memory_bytes" (func $memory_bytes (result i64)))
  (import "extism:host/env" "reset" (func $reset))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "log_info" (func $log (param i64)))
  (import "extism:host/user" "next" (func $next (result i32)))
  (import "extism:host/user" "a" (func $a (result i64)))
  (import "extism:host/user" "b" (func $b (result i64)))
  (import "extism:host/user" "answer" (func $answer (param i64)))
  (func $do (param $op i32) (param $a i64) (param $b i64) (result i64)
    (block $0 (block $1 (block $2 (block $3 (block $4 (block $5 (block $6 (block $7 (block $8 (block $9 (block $10 (block $11 (block $12
    (block $13 (block $14 (block $15 (block $16 (block $17 (block $18 (block $19 (block $20 (block $21 (block $22
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $10 $11 $12 $13 $14 $15 $16 $17 $18 $19 $20 $21 $22 (local.get $op)))
      (call $var_set (local.get $a) (local.get $b)) (return (i64.const 0)))
      (return (call $var_get (local.get $a))))
      (return (call $config_get (local.get $a))))
      (call $reset) (return (i64.const 0)))
      (return (call $memory_bytes)))
      (return (call $error_get)))
      (call $error_set (local.get $a)) (return (i64.const 0)))
      (return (call $output_offset)))
      (return (call $output_length)))
      (call $output_set (local.get $a) (local.get $b)) (return (i64.const 0)))
      (call $input_set (local.get $a) (local.get $b)) (return (i64.const 0)))
      (return (call $input_load_u64 (local.get $a))))
      (return (i64.extend_i32_u (call $input_load_u8 (local.get $a)))))
      (return (call $input_offset)))
      (return (call $input_length)))
      (call $store_u64 (local.get $a) (local.get $b)) (return (i64.const 0)))
      (call $store_u8 (local.get $a) (i32.wrap_i64 (local.get $b))) (return (i64.const 0)))
      (return (call $load_u64 (local.get $a))))
      (return (i64.extend_i32_u (call $load_u8 (local.get $a)))))
      (return (call $length_unsafe (local.get $a))))
      (return (call $length (local.get $a))))
      (call $free (local.get $a)) (return (i64.const 0)))
    (call $alloc (local.get $a)))
  (func (export "run") (result i32) (local $op i32)
    (loop $more
      (local.set $op (call $next))
      (if (i32.ge_u (local.get $op) (i32.const 24)) (then (return (i32.const 0))))
      (if (i32.eq (local.get $op) (i32.const 23))
        (then (call $log (call $a)) (call $answer (i64.const 0)))
        (else (call $answer (call $do (local.get $op) (call $a) (call $b)))))
      (br $more))
    (i32.const 0))))";

constexpr uint64_t kPage = 65536, kFirst = 65, kHeader = 12, kRootEnd = 64, kMemoryPagesMax = 65536;
constexpr uint64_t kVarBytesMax = 300, kVarOverhead = 48;
// alloc of more gives 0 as long as it is nearly 4 GiB, and takes real memory otherwise: not asked for.
constexpr uint64_t kSizeMax = 200'000;

/// What the kernel promises, and what the host's functions on it do. An answer that is nullopt is not promised.
class Model {
 public:
  using Answer = std::optional<uint64_t>;
  bool spoiled() const { return spoiled_; }
  uint64_t capacity() const { return capacity_; }
  uint64_t memory_size() const { return bytes_.size(); }

  void BeginCall(std::string_view input) {
    Reset();
    if (input.empty()) return;
    input_offset_ = Allocate(input.size());
    input_length_ = input.size();
    std::copy(input.begin(), input.end(), bytes_.begin() + static_cast<ptrdiff_t>(input_offset_));
  }
  void Reset() {
    std::fill_n(bytes_.begin() + kFirst, position_, uint8_t{0});
    std::fill_n(header_.begin() + kFirst, position_, false);
    position_ = error_ = input_offset_ = input_length_ = output_offset_ = output_length_ = 0;
    blocks_.clear();
    spoiled_ = false;
  }

  /// `got`: what the kernel gave, from which a spoiled model learns.
  void Alloc(uint64_t size, uint64_t got) {
    if (!spoiled_) HOLDS(got == Allocate(size));
    if (!spoiled_ || got == 0) return;
    HOLDS(size != 0 && size <= UINT32_MAX);
    if (got == kFirst + position_ + kHeader) {
      if (size + kHeader >= Left()) HOLDS(Grow(size + kHeader));
      position_ += size + kHeader;
    }
    HOLDS(got >= kFirst + kHeader && got + size <= kFirst + position_);
  }
  void Free(uint64_t handle) {
    const auto block = Live(handle);
    if (block == blocks_.end()) return;
    block->second.live = false;
    if (handle == input_offset_) input_length_ = 0;
  }
  Answer Length(uint64_t handle) const {
    if (spoiled_) return std::nullopt;
    const auto block = Live(handle);
    return block == blocks_.end() ? 0 : block->second.used;
  }
  Answer LengthUnsafe(uint64_t handle) const {
    if (handle < kRootEnd || handle > bytes_.size()) return 0;
    if (spoiled_) return std::nullopt;
    const auto block = blocks_.find(handle - kHeader);
    if (block == blocks_.end()) return std::nullopt;
    return block->second.live ? block->second.used : 0;
  }
  Answer Load8(uint64_t at) const { return at < kRootEnd || at >= bytes_.size() ? 0 : Byte(at); }
  Answer Load64(uint64_t at) const {
    if (at < kRootEnd - 7 || at > bytes_.size() - 8) return 0;
    return Word(at);
  }
  void Store8(uint64_t at, uint64_t value) {
    if (at >= kRootEnd && at < bytes_.size()) Put(at, static_cast<uint8_t>(value));
  }
  void Store64(uint64_t at, uint64_t value) {
    if (at < kRootEnd || at > bytes_.size() - 8) return;
    for (uint64_t i = 0; i < 8; ++i) Put(at + i, static_cast<uint8_t>(value >> (8 * i)));
  }
  Answer InputLoad8(uint64_t i) const { return i < input_length_ ? Byte(input_offset_ + i) : 0; }
  Answer InputLoad64(uint64_t i) const { return input_length_ >= 8 && i <= input_length_ - 8 ? Word(input_offset_ + i) : 0; }
  void InputSet(uint64_t at, uint64_t length) {
    if (!Inside(at, length)) return;
    input_offset_ = at;
    input_length_ = length;
  }
  void OutputSet(uint64_t at, uint64_t length) {
    if (!Inside(at, length)) return;
    output_offset_ = at;
    output_length_ = length;
  }
  void ErrorSet(uint64_t at) {
    if (at == 0 || Inside(at)) error_ = at;
  }
  uint64_t input_offset() const { return input_offset_; }
  uint64_t input_length() const { return input_length_; }
  uint64_t output_offset() const { return output_offset_; }
  uint64_t output_length() const { return output_length_; }
  uint64_t error() const { return error_; }

  /// As host functions read a block: handle 0 is the empty one; nullopt: no live block. Precondition: not spoiled.
  std::optional<std::string> Text(uint64_t handle) const {
    if (handle == 0) return "";
    const auto block = Live(handle);
    if (block == blocks_.end()) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(&bytes_[handle]), block->second.used);
  }
  /// A block with these bytes, as host functions make one.
  uint64_t New(std::string_view text) {
    const uint64_t handle = text.empty() ? 0 : Allocate(text.size());
    if (handle != 0) std::copy(text.begin(), text.end(), bytes_.begin() + static_cast<ptrdiff_t>(handle));
    return handle;
  }
  /// The host wrote into a block.
  void Write(uint64_t handle, std::string_view text) { std::copy(text.begin(), text.end(), bytes_.begin() + static_cast<ptrdiff_t>(handle)); }
  /// The output as the host shows it: none where it is not inside memory.
  bool OutputIs(std::string_view output) const {
    const uint64_t size = bytes_.size();
    if (output_offset_ > size || output_length_ > size - output_offset_) return output.empty();
    if (output.size() != output_length_) return false;
    for (uint64_t i = 0; i < output_length_; ++i) {
      const Answer byte = output_offset_ + i < kFirst ? std::nullopt : Byte(output_offset_ + i);
      if (byte && *byte != static_cast<uint8_t>(output[i])) return false;
    }
    return true;
  }

 private:
  struct Block {
    uint64_t size = 0;  ///< all of it
    uint64_t used = 0;  ///< as asked
    bool live = true;
  };
  using Blocks = std::map<uint64_t, Block>;  // by where the header is
  Blocks::iterator Live(uint64_t handle) {
    const auto block = spoiled_ || handle < kHeader ? blocks_.end() : blocks_.find(handle - kHeader);
    return block == blocks_.end() || !block->second.live ? blocks_.end() : block;
  }
  Blocks::const_iterator Live(uint64_t handle) const { return const_cast<Model*>(this)->Live(handle); }
  bool Inside(uint64_t at) const { return at >= kFirst && at - kFirst < capacity_; }
  /// Of no bytes, the one before has to be inside.
  bool Inside(uint64_t at, uint64_t length) const { return Inside(at) && length <= capacity_ && Inside(at + length - 1); }
  uint64_t Left() const { return capacity_ - position_ - 64; }
  bool Grow(uint64_t whole) {
    const uint64_t pages = (whole - Left() + kPage - 1) / kPage;
    if (bytes_.size() / kPage + pages > kMemoryPagesMax) return false;
    bytes_.resize(bytes_.size() + pages * kPage);
    header_.resize(bytes_.size());
    capacity_ += pages * kPage;
    return true;
  }
  uint64_t Place(uint64_t at, Block block) {
    blocks_[at] = block;
    std::fill_n(header_.begin() + static_cast<ptrdiff_t>(at), kHeader, true);
    return at + kHeader;
  }
  /// The first freed block with room, of which what is left is free again where it is 128 bytes or more.
  uint64_t Reuse(uint64_t size) {
    constexpr uint64_t kWorthIt = 128;
    for (auto& [at, block] : blocks_) {
      if (block.live || block.size < size) continue;
      if (block.size - size < kWorthIt) {
        block.live = true;
        block.used = size;
        return at + kHeader;
      }
      block.size -= size + kHeader;
      block.used = 0;
      return Place(at + kHeader + block.size, {.size = size, .used = size});
    }
    return 0;
  }
  uint64_t Allocate(uint64_t size) {
    if (size == 0 || size > UINT32_MAX) return 0;
    const uint64_t whole = size + kHeader;
    if (whole >= Left()) {
      if (whole <= position_) {
        if (const uint64_t handle = Reuse(size)) return handle;
      }
      if (!Grow(whole)) return 0;
    }
    const uint64_t at = kFirst + position_;
    position_ += whole;
    return Place(at, {.size = size, .used = size});
  }
  Answer Byte(uint64_t at) const {
    if (at <= kRootEnd) return static_cast<uint8_t>(output_length_ >> (8 * (at - (kRootEnd - 7))));  // its last bytes are where guests can read
    if (spoiled_ || header_[at]) return std::nullopt;
    return bytes_[at];
  }
  Answer Word(uint64_t at) const {
    uint64_t word = 0;
    for (uint64_t i = 0; i < 8; ++i) {
      const Answer byte = Byte(at + i);
      if (!byte) return std::nullopt;
      word |= *byte << (8 * i);
    }
    return word;
  }
  void Put(uint64_t at, uint8_t value) {
    if (at == kRootEnd) {  // the top byte of the output's length
      output_length_ = (output_length_ & ~(uint64_t{0xff} << 56)) | uint64_t{value} << 56;
      return;
    }
    spoiled_ |= header_[at];
    bytes_[at] = value;
  }

  uint64_t position_ = 0, capacity_ = kPage - 64;
  uint64_t error_ = 0, input_offset_ = 0, input_length_ = 0, output_offset_ = 0, output_length_ = 0;
  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(16 * kPage);
  std::vector<bool> header_ = std::vector<bool>(16 * kPage);  ///< bytes that the kernel wrote for itself
  Blocks blocks_;
  bool spoiled_ = false;
};

const std::map<std::string, std::string, std::less<>> kConfig = {{"k", "value of k"}, {"empty", ""}, {"", "of no name"}};

/// A plugin, its model, and the calls that both get.
class Player {
 public:
  void Play(Plugin& plugin, Choices& choices) {
    choose_ = &choices;
    input_ = Text();
    model_.BeginCall(input_);
    handles_ = {model_.input_offset()};
    calls_left_ = 80;
    trap_.clear();
    logged_.clear();
    expected_log_.clear();
    const Outcome outcome = plugin.CallRaw("run", input_, {.host_context = this});
    Judge(plugin, outcome);
    const auto echo = plugin.CallRaw("absent", "");
    HOLDS(echo.failed && echo.error == "Function not found: absent" && echo.output.empty());
    model_.BeginCall("");
    calls_ += 80 - calls_left_;
  }
  uint64_t calls() const { return calls_; }
  uint64_t traps() const { return traps_; }
  uint64_t spoiled() const { return spoiled_; }
  uint64_t compared() const { return compared_; }

  // What the guest asks for.
  uint32_t Next(CurrentPlugin& plugin) {
    while (calls_left_ != 0 && !choose_->done() && choose_->Sometimes(4)) HostCall(plugin);
    if (calls_left_ == 0 || choose_->done()) return static_cast<uint32_t>(Op::kEnd);
    --calls_left_;
    constexpr Op kOften[] = {Op::kAlloc, Op::kAlloc, Op::kFree, Op::kStore8, Op::kStore64};
    op_ = choose_->Sometimes(3) ? choose_->Any(kOften) : static_cast<Op>((*choose_)() % static_cast<uint32_t>(Op::kEnd));
    if (op_ == Op::kReset && !choose_->Sometimes(4)) op_ = Op::kLength;
    a_ = op_ == Op::kAlloc ? Size() : Number();
    b_ = Number();
    if (op_ == Op::kOutputSet || op_ == Op::kInputSet) b_ = choose_->Sometimes(2) ? Number() : (*choose_)() % 300;
    Foresee();
    return static_cast<uint32_t>(op_);
  }
  uint64_t a() const { return a_; }
  uint64_t b() const { return b_; }
  void Answer(uint64_t got) {
    HOLDS(trap_.empty());
    const auto same = [&](Model::Answer expected) {
      compared_ += expected.has_value();
      HOLDS(!expected || *expected == got);
    };
    switch (op_) {
      case Op::kAlloc: model_.Alloc(a_, got); Keep(got); break;
      case Op::kFree: model_.Free(a_); break;
      case Op::kLength: same(model_.Length(a_)); break;
      case Op::kLengthUnsafe: same(model_.LengthUnsafe(a_)); break;
      case Op::kLoad8: same(model_.Load8(a_)); break;
      case Op::kLoad64: same(model_.Load64(a_)); break;
      case Op::kStore8: model_.Store8(a_, b_); break;
      case Op::kStore64: model_.Store64(a_, b_); break;
      case Op::kInputLength: same(model_.spoiled() ? Model::Answer() : model_.input_length()); break;
      case Op::kInputOffset: same(model_.input_offset()); break;
      case Op::kInputLoad8: same(model_.spoiled() ? Model::Answer() : model_.InputLoad8(a_)); break;
      case Op::kInputLoad64: same(model_.spoiled() ? Model::Answer() : model_.InputLoad64(a_)); break;
      case Op::kInputSet: model_.InputSet(a_, b_); break;
      case Op::kOutputSet: model_.OutputSet(a_, b_); break;
      case Op::kOutputLength: same(model_.output_length()); break;
      case Op::kOutputOffset: same(model_.output_offset()); break;
      case Op::kErrorSet: model_.ErrorSet(a_); break;
      case Op::kErrorGet: same(model_.error()); break;
      case Op::kMemoryBytes: same(model_.capacity()); break;
      case Op::kReset: model_.Reset(); break;
      case Op::kConfigGet:
      case Op::kVarGet: same(foreseen_); Keep(got); break;
      case Op::kVarSet:
      case Op::kLog:
      case Op::kEnd: break;
    }
  }
  void Logged(std::string_view message) { logged_ = message; }

 private:
  void Keep(uint64_t handle) {
    if (handle != 0) handles_.push_back(handle);
  }
  uint64_t Number() {
    const uint64_t odd[] = {0, 1, 8, 12, 57, 63, 64, 65, 76, 77, 1 << 20, 1ull << 32, 1ull << 63, UINT64_MAX, model_.memory_size(), model_.memory_size() - 8,
                            model_.capacity(), model_.capacity() + kFirst};
    switch ((*choose_)() % 8) {
      case 0: return choose_->Any(odd) + (*choose_)() % 9 - 4;
      case 1: return kFirst + (*choose_)() % 2000;
      case 2: return (*choose_)() % 40;
      case 3: return (*choose_)();
      case 4: return choose_->Any(handles_) + (*choose_)() % 32 - 16;
      default: return choose_->Any(handles_);
    }
  }
  uint64_t Size() {
    constexpr uint64_t kOdd[] = {0, 1, 8, 116, 127, 128, 65'000, 65'396, kSizeMax, UINT32_MAX, 1ull << 32, UINT64_MAX, UINT64_MAX - 11};
    switch ((*choose_)() % 4) {
      case 0: return choose_->Any(kOdd);
      case 1: return (*choose_)() % 20'000;
      default: return (*choose_)() % 200;
    }
  }
  std::string Text() {
    constexpr const char* kTexts[] = {"", "k", "k", "empty", "text", "\xc3\xa9", "\xff", "x\xc3"};
    return choose_->Sometimes(4) ? std::string((*choose_)() % 3000, 't') : choose_->Any(kTexts);
  }

  /// Functions of the host that may stop the guest never come to Answer then.
  void Foresee() {
    if (op_ != Op::kConfigGet && op_ != Op::kVarGet && op_ != Op::kVarSet && op_ != Op::kLog) return;
    if (model_.spoiled()) {
      op_ = Op::kLength;  // whose texts, nobody can say
      return;
    }
    foreseen_ = 0;
    switch (op_) {
      case Op::kConfigGet: return Get(kConfig, "config key");
      case Op::kVarGet: return Get(vars_, "var key");
      case Op::kVarSet: return SetVar();
      default: return Log();
    }
  }
  std::optional<std::string> Argument(uint64_t handle, const char* what) {
    auto text = model_.Text(handle);
    if (!text) trap_ = "invalid handle offset for " + std::string(what) + ": " + std::to_string(handle);
    return text;
  }
  std::optional<std::string> Key(const char* what) {
    auto key = Argument(a_, what);
    if (key && !IsText(*key)) {
      trap_ = "utf-8";
      return std::nullopt;
    }
    return key;
  }
  // Only of texts of these players: their bytes, and what single stores make of them. So it is a whole decoder after all.
  static bool IsText(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      const auto byte = [&](size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : 0; };
      const auto tail = [&](size_t at) { return (byte(at) & 0xc0) == 0x80; };
      const uint8_t lead = byte(i), next = byte(i + 1);
      if (lead < 0x80) {
        i += 1;
      } else if (lead >= 0xc2 && lead < 0xe0 && tail(i + 1)) {
        i += 2;
      } else if (lead >= 0xe0 && lead < 0xf0 && tail(i + 1) && tail(i + 2) && !(lead == 0xe0 && next < 0xa0) && !(lead == 0xed && next >= 0xa0)) {
        i += 3;
      } else if (lead >= 0xf0 && lead < 0xf5 && tail(i + 1) && tail(i + 2) && tail(i + 3) && !(lead == 0xf0 && next < 0x90) && !(lead == 0xf4 && next >= 0x90)) {
        i += 4;
      } else {
        return false;
      }
    }
    return true;
  }
  template <class Map>
  void Get(const Map& map, const char* what) {
    const auto key = Key(what);
    if (!key) return;
    model_.Free(a_);
    if (const auto row = map.find(*key); row != map.end()) foreseen_ = model_.New(row->second);
  }
  void SetVar() {
    const auto key = Key("var key");
    if (!key) return;
    if (b_ == 0) {
      vars_.erase(*key);
      return model_.Free(a_);
    }
    const auto value = Argument(b_, "var value");
    if (!value) return;
    uint64_t bytes = kVarOverhead + key->size() + value->size();
    for (const auto& [name, old] : vars_) bytes += kVarOverhead + name.size() + old.size();
    if (bytes > kVarBytesMax) {
      trap_ = "Variable store is full";
      return;
    }
    model_.Free(b_);
    model_.Free(a_);
    vars_[*key] = *value;
  }
  void Log() {
    const auto text = Argument(a_, "log message");
    if (!text) return;
    model_.Free(a_);
    expected_log_ = IsText(*text) ? *text : "unable to log message: ";
  }

  void HostCall(CurrentPlugin& plugin) {
    --calls_left_;
    HOLDS(plugin.host_context() == this);
    const uint64_t handle = Number();
    switch ((*choose_)() % 4) {
      case 0: {
        const uint64_t size = Size(), got = plugin.Alloc(size);
        model_.Alloc(size, got);
        Keep(got);
        break;
      }
      case 1:
        plugin.Free(handle);
        model_.Free(handle);
        break;
      case 2: {
        const uint64_t length = plugin.Length(handle);
        HOLDS(model_.spoiled() || length == model_.Length(handle));
        const auto block = plugin.Block(handle);
        if (model_.spoiled()) {
          if (block) HOLDS(block->size() <= model_.memory_size());
          break;
        }
        HOLDS(block.has_value() == (handle == 0 || length != 0));
        if (block) HOLDS(std::string_view(reinterpret_cast<const char*>(block->data()), block->size()) == *model_.Text(handle));
        break;
      }
      default: {
        if (model_.spoiled()) break;  // it may give 0 although it took a block
        const std::string text = Text();
        const uint64_t got = plugin.New(text);
        if (got != 0 || !text.empty()) model_.Alloc(text.size(), got);
        if (got != 0) model_.Write(got, text);
        Keep(got);
      }
    }
  }

  void Judge(Plugin& plugin, const Outcome& outcome) {
    if (model_.spoiled()) {
      ++spoiled_;
      // It ends well, or with the text of what looks like an error's block: kernel calls never trap.
      HOLDS(!outcome.error.starts_with("error while executing"));
      HOLDS(outcome.output.size() <= model_.memory_size());
      for (const char c : outcome.output) seen_ += static_cast<uint8_t>(c);
      static_cast<void>(plugin.GuestError());
      return;
    }
    HOLDS(logged_.starts_with(expected_log_) && (logged_.size() == expected_log_.size() || expected_log_ == "unable to log message: "));
    HOLDS(model_.OutputIs(outcome.output));
    const bool set = model_.error() != 0;
    const auto text = set ? model_.Text(model_.error()) : std::nullopt;  // an error counts where its block lives
    HOLDS(plugin.GuestError() == (set ? std::optional(text.value_or("")) : std::nullopt));
    const bool told = text.has_value();
    HOLDS(outcome.failed == (told || !trap_.empty()));
    HOLDS(outcome.code == (trap_.empty() ? 0 : -1));
    if (!trap_.empty()) ++traps_;
    if (told && !IsText(*text)) {
      HOLDS(outcome.error.starts_with("unable to load error message from memory: "));
    } else if (!trap_.empty()) {
      HOLDS(outcome.error.starts_with("error while executing at wasm backtrace:"));
      HOLDS(told ? outcome.cause == *text : outcome.cause == trap_ || (trap_ == "utf-8" && outcome.cause.find("utf-8") != std::string::npos));
    } else if (told) {
      HOLDS(outcome.error == *text);
    }
  }

  Choices* choose_ = nullptr;
  Model model_;
  std::map<std::string, std::string, std::less<>> vars_;
  std::string input_, trap_, logged_, expected_log_;
  std::vector<uint64_t> handles_;
  Op op_ = Op::kEnd;
  uint64_t a_ = 0, b_ = 0, foreseen_ = 0;
  uint64_t calls_left_ = 0, calls_ = 0, traps_ = 0, spoiled_ = 0, compared_ = 0, seen_ = 0;
};

/// The compiled guest, whose host functions find their player in the call's context.
class Guest {
 public:
  Guest() : runtime_(*Runtime::Create()) {
    const auto player = [](CurrentPlugin& plugin) { return static_cast<Player*>(plugin.host_context()); };
    PluginOptions options;
    options.functions = {Typed("next", [player](CurrentPlugin& plugin) { return player(plugin)->Next(plugin); }),
                         Typed("a", [player](CurrentPlugin& plugin) { return player(plugin)->a(); }),
                         Typed("b", [player](CurrentPlugin& plugin) { return player(plugin)->b(); }),
                         Typed("answer", [player](CurrentPlugin& plugin, uint64_t got) { player(plugin)->Answer(got); })};
    options.log = {.level = LogLevel::kInfo, .write = [this](LogLevel, std::string_view, std::string_view text) { now->Logged(text); }};
    Manifest manifest;
    manifest.modules.push_back({.data = std::string(kGuest)});
    manifest.limits.var_bytes_max = kVarBytesMax;
    for (const auto& row : kConfig) manifest.config.push_back(row);
    auto compiled = runtime_->Compile(manifest, std::move(options));
    if (!compiled) std::fprintf(stderr, "%s\n", compiled.error().message.c_str()), std::abort();
    compiled_ = *std::move(compiled);
  }
  std::unique_ptr<Plugin> NewPlugin() { return *compiled_->NewPlugin(); }

  Player* now = nullptr;  ///< whose plugin is called, for the log

 private:
  std::unique_ptr<Runtime> runtime_;
  std::shared_ptr<Compiled> compiled_;
};

#ifdef WEIR_FUZZER

}  // namespace
}  // namespace weir::extism

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir::extism;
  static Guest guest;
  weir::Choices choices(data, size);
  Player player;
  guest.now = &player;
  const auto plugin = guest.NewPlugin();
  for (int i = 0; i < 4 && !choices.done(); ++i) player.Play(*plugin, choices);
  return 0;
}

#else

TEST(ExtismKernel, KeepsItsPromises) {
  Guest guest;
  uint64_t calls = 0, traps = 0, spoiled = 0, compared = 0;
  for (uint64_t seed = 0; seed < 400 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Choices choices(seed);
    Player player;
    guest.now = &player;
    const auto plugin = guest.NewPlugin();
    for (int i = 0; i < 6; ++i) player.Play(*plugin, choices);
    calls += player.calls();
    traps += player.traps();
    spoiled += player.spoiled();
    compared += player.compared();
  }
  EXPECT_GT(calls, 20'000u);
  EXPECT_GT(compared, 5'000u);
  EXPECT_GT(traps, 100u);
  EXPECT_GT(spoiled, 100u);
}

}  // namespace
}  // namespace weir::extism

#endif
