// The decoders of cc-lb: module bytes to an identity, texts of a plugin to accept, self-check, metadata and every wire type. Whatever they
// take, they write in a form that they take again, and write the same.
#include <cstdio>
#include <cstdlib>

#include "cclb/protocol_tables.h"
#include "cclb/utf8.h"

namespace {

using namespace weir::cclb;

void Require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

template <class T>
void Twice(std::string_view text, Duplicates duplicates) {
  T first, second;
  std::string error;
  if (!ReadText(text, duplicates, &first, &error)) {
    Require(!error.empty(), "an error has a text");
    return;
  }
  const std::string written = WriteText(first);
  // A float that overflows is written as null, which the reference does not read either.
  if (written.find("\"confidence\":null") != std::string::npos) return;
  Require(ReadText(written, Duplicates::kError, &second, &error), "what was written is read");
  // Doubles are converted as the reference does, which need not give what was written.
  Require(written.find('.') != std::string::npos || WriteText(second) == written, "and written the same");
  Require(ReadText(WriteText<Order::kSorted>(first), Duplicates::kError, &second, &error), "in either order");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)ReadIdentity(input);
  (void)ReadAccept(input);
  (void)ReadSelfCheckResponse(input);
  (void)ReadMetadata(input);
  if (!IsValidUtf8(input)) {
    Require(!Utf8Fault(input).empty(), "what is no UTF-8 has a fault");
    return 0;
  }
  if (const auto json = Json::Parse(input)) {
    const auto again = Json::Parse(json->text());
    Require(again && (json->text().find_first_of(".e") != std::string::npos || again->text() == json->text()), "canonical text stays as it is");
  }
  for (const Duplicates duplicates : {Duplicates::kError, Duplicates::kLastWins}) {
    Twice<HandshakeAccept>(input, duplicates);
    Twice<HandshakeOfferRaw>(input, duplicates);
    Twice<SelfCheckResponse>(input, duplicates);
    Twice<AugmentedMetadata>(input, duplicates);
    Twice<v1::ShapeResponse>(input, duplicates);
    Twice<v1::SignResponse>(input, duplicates);
    Twice<v1::OnUnauthorizedResponse>(input, duplicates);
    Twice<v1::ObserveRequest>(input, duplicates);
    Twice<v2::ShapeRequest>(input, duplicates);
    Twice<v3::FilterRequest>(input, duplicates);
    Twice<v3::FilterResponse>(input, duplicates);
  }
  return 0;
}
