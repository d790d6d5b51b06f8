#include "base/sha256.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace weir {
namespace {

constexpr size_t kBlock = 64, kLengthAt = 56;  // bytes; the length in bits ends the last block

alignas(16) constexpr uint32_t kRound[64] = {  // [4.2.2]
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

using State = std::array<uint32_t, 8>;
using BlocksFunction = void (*)(State& state, const uint8_t* data, size_t blocks);

uint32_t BigEndian(const uint8_t* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return __builtin_bswap32(word);
}

void PortableBlocks(State& state, const uint8_t* data, size_t blocks) {  // [6.2.2]
  for (; blocks != 0; --blocks, data += kBlock) {
    uint32_t w[64];
    for (int t = 0; t < 16; ++t) w[t] = BigEndian(data + 4 * t);
    for (int t = 16; t < 64; ++t) {
      const uint32_t low = std::rotr(w[t - 15], 7) ^ std::rotr(w[t - 15], 18) ^ (w[t - 15] >> 3);
      const uint32_t high = std::rotr(w[t - 2], 17) ^ std::rotr(w[t - 2], 19) ^ (w[t - 2] >> 10);
      w[t] = high + w[t - 7] + low + w[t - 16];
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int t = 0; t < 64; ++t) {
      const uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) + kRound[t] + w[t];
      const uint32_t t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i) state[i] += sums[i];
  }
}

// The instructions keep the state as two vectors, ABEF and CDGH (highest word first), and do two rounds each.
__attribute__((target("sha,sse4.1"))) void ShaBlocks(State& state, const uint8_t* data, size_t blocks) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const auto word = [&state](int i) { return static_cast<int>(state[i]); };
  __m128i abef = _mm_set_epi32(word(0), word(1), word(4), word(5));
  __m128i cdgh = _mm_set_epi32(word(2), word(3), word(6), word(7));
  for (; blocks != 0; --blocks, data += kBlock) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i) w[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16 * i)), swap);
    for (int four = 0; four < 16; ++four) {
      if (four >= 4) {
        const __m128i minus_16 = w[four % 4], minus_12 = w[(four + 1) % 4], minus_8 = w[(four + 2) % 4], minus_4 = w[(four + 3) % 4];
        const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(minus_16, minus_12), _mm_alignr_epi8(minus_4, minus_8, 4));
        w[four % 4] = _mm_sha256msg2_epu32(sum, minus_4);
      }
      const __m128i rounds = _mm_add_epi32(w[four % 4], _mm_load_si128(reinterpret_cast<const __m128i*>(kRound + 4 * four)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, rounds);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(rounds, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  alignas(16) uint32_t high[4], low[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(high), abef);
  _mm_store_si128(reinterpret_cast<__m128i*>(low), cdgh);
  state = {high[3], high[2], low[3], low[2], high[1], high[0], low[1], low[0]};
}

bool HasShaInstructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kSha = 1u << 29;  // leaf 7, EBX
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0), "c"(0));
  if (a < 7 || !__builtin_cpu_supports("sse4.1")) return false;
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
  return (b & kSha) != 0;
}

Sha256Digest Digest(std::initializer_list<std::string_view> parts, BlocksFunction blocks) {
  State state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};  // [5.3.3]
  std::array<uint8_t, 2 * kBlock> rest;
  size_t held = 0;
  uint64_t bytes = 0;
  for (std::string_view part : parts) {
    bytes += part.size();
    if (held != 0 || part.size() < kBlock) {
      const size_t taken = std::min(kBlock - held, part.size());
      std::copy_n(part.data(), taken, rest.data() + held);
      held += taken;
      part.remove_prefix(taken);
      if (held < kBlock) continue;
      blocks(state, rest.data(), 1);
      held = 0;
    }
    blocks(state, reinterpret_cast<const uint8_t*>(part.data()), part.size() / kBlock);
    held = part.size() % kBlock;
    std::copy_n(part.data() + part.size() - held, held, rest.data());
  }
  // [5.1.1] one bit, zeros, and the length
  rest[held++] = 0x80;
  const size_t end = held <= kLengthAt ? kBlock : 2 * kBlock;
  std::fill(rest.begin() + held, rest.begin() + end, 0);
  const uint64_t bits = __builtin_bswap64(bytes * 8);
  std::memcpy(rest.data() + end - sizeof bits, &bits, sizeof bits);
  blocks(state, rest.data(), end / kBlock);
  Sha256Digest digest;
  for (size_t i = 0; i < state.size(); ++i) {
    const uint32_t word = __builtin_bswap32(state[i]);
    std::memcpy(digest.data() + 4 * i, &word, sizeof word);
  }
  return digest;
}

}  // namespace

Sha256Digest Sha256(std::initializer_list<std::string_view> parts) {
  static const bool has_instructions = HasShaInstructions();
  return Digest(parts, has_instructions ? ShaBlocks : PortableBlocks);
}

Sha256Digest Sha256Portable(std::initializer_list<std::string_view> parts) { return Digest(parts, PortableBlocks); }

std::string Hex(const Sha256Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (uint8_t byte : digest) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace weir
