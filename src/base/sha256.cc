#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace weir {

Sha256Digest Sha256(std::initializer_list<std::string_view> parts) {
  Sha256Digest digest;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  WEIR_CHECK(context != nullptr && EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1);
  for (std::string_view part : parts) WEIR_CHECK(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
  WEIR_CHECK(EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1);
  EVP_MD_CTX_free(context);
  return digest;
}

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
