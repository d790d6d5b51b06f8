// The decoders of cc-lb: module bytes to an identity; texts of a plugin to accept, self-check, metadata, every wire type, and the envelope of
// each function's response. Whatever they take, they write in a form that they take again, and write the same.
#include <cstdio>
#include <cstdlib>

#include "cclb/protocol_tables.h"
#include "cclb/utf8.h"
#include "weir/cclb/functions.h"
#include "weir/cclb/host.h"
#include "weir/cclb/samples.h"

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

struct Silent final : Telemetry {
  void Count(std::string_view, std::span<const Pair>, uint64_t) override {}
  void Log(Level, std::string_view, std::string_view, std::span<const Pair>) override {}
};

/// A plugin whose functions all give the same bytes.
class Says final : public PluginInstance {
 public:
  explicit Says(std::string_view output) : output_(output) {}
  PlainOutcome Call(std::string_view, std::string_view) override { return {.ok = true, .output = output_}; }
  bool broken() const override { return false; }
  Telemetry& telemetry() override { return telemetry_; }
  std::optional<uint64_t> fuel_consumed() const override { return std::nullopt; }

 private:
  const std::string_view output_;
  Silent telemetry_;
};

template <class Fn>
void Respond(std::string_view text) {
  Twice<typename Fn::Request>(text, Duplicates::kLastWins);
  Twice<typename Fn::Response>(text, Duplicates::kLastWins);
  Says plugin(text);
  AugmentedMetadata metadata;
  metadata.negotiated_functions[std::string(Fn::kName)] = 1;
  const auto outcome = Dispatch<Fn>(plugin, metadata, DryRunRequest<Fn>());
  Require(outcome.response.has_value() != outcome.error.has_value(), "a response or an error");
  if (outcome.error) Require(!outcome.error->debug.empty(), "an error has a text");
}

void Negotiate(std::string_view text) {
  const HandshakeOffer own = BuildOffer({"a", "b:c"});
  if (const auto accept = ReadAccept(text)) {
    const auto against = ValidateAgainstOffer(*accept, own), shape = ValidateShape(*accept, own);
    Require(!against || !against->message.empty(), "a fault has a text");
    Require(!shape || !shape->message.empty(), "a fault has a text");
  }
  if (const auto offer = ReadOffer(text)) {
    (void)Validate(*offer);
    const HandshakeOffer canonical = Canonicalize(*offer);
    Require(OfferHash(canonical) == OfferHash(*offer), "an offer's hash is that of its canonical form");
  }
  (void)ReadRecord(text);
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
    Respond<fn::Sign>(input);
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
  }
  Negotiate(input);
#define RESPOND(Name) Respond<fn::Name>(input);
  WEIR_CCLB_FUNCTIONS(RESPOND)
#undef RESPOND
  return 0;
}
