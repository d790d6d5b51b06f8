// Lines that need no plugin.
#include "base/sha256.h"
#include "cclb/protocol_tables.h"
#include "golden.h"

namespace weir::cclb::golden {
namespace {

// Texts that are the reference's libraries' own: the variant counts.
bool IsForeignText(std::string_view variant) {
  return variant == "serde" || variant == "syntax" || variant == "WasmParseError" || variant == "MalformedPayload";
}

Answer Expect(const View& expect, const std::optional<Fault>& fault, const std::string& ok) {
  if (!fault) return Compare("ok", expect["ok"] ? expect["ok"].text() : expect.text(), ok);
  if (!expect["err"]) return Failed("expected " + expect.text().substr(0, 300) + ", got " + fault->variant + ": " + fault->message);
  if (Answer variant = Compare("err", expect["err"].str(), fault->variant); variant.verdict != Verdict::kPassed) return variant;
  if (IsForeignText(fault->variant)) return Passed();
  return Compare("display", expect["display"].str(), fault->message);
}


template <class T>
std::string Value(const T& value) {
  return WriteText<Order::kSorted>(value);
}

// "validate" of an offer or metadata, inside of a larger answer.
std::string Validation(const std::optional<Fault>& fault) {
  if (!fault) return R"({"ok":null})";
  return R"({"display":)" + Quoted(fault->message) + R"(,"err":)" + Quoted(fault->variant) + "}";
}

template <class T>
Answer RoundTrip(const View& line) {
  const std::string text = line["text"].str();
  T value;
  std::string error;
  const bool via_value = line["via_value"].is_true();
  if (via_value) {
    JsonTree tree;
    if (!tree.Parse(text)) return Expect(line["expect"], Fault{"syntax", tree.error()}, {});
  }
  if (!ReadText(text, via_value ? Duplicates::kLastWins : Duplicates::kError, &value, &error)) {
    return Expect(line["expect"], Fault{"serde", error}, {});
  }
  return Expect(line["expect"], std::nullopt, Quoted(WriteText(value)));
}

struct TypeRow {
  std::string_view name;
  Answer (*run)(const View& line);
};
#define ROW(Name, Type) {Name, &RoundTrip<Type>}
constexpr TypeRow kTypes[] = {
    ROW("PluginIdentity", PluginIdentity), ROW("HandshakeOffer", HandshakeOffer), ROW("HandshakeOfferRaw", HandshakeOfferRaw),
    ROW("HandshakeAccept", HandshakeAccept), ROW("SelfCheckRequest", SelfCheckRequest), ROW("SelfCheckResponse", SelfCheckResponse),
    ROW("AugmentedMetadata", AugmentedMetadata), ROW("PluginRegistryRecord", PluginRegistryRecord), ROW("HeaderWire", HeaderWire),
    ROW("Principal", Principal), ROW("RequestWire", RequestWire), ROW("UpstreamWire", UpstreamWire), ROW("DialectBinding", DialectBinding),
    ROW("UpstreamErrorCategory", UpstreamErrorCategory), ROW("UpstreamErrorWire", UpstreamErrorWire),
    ROW("ObserveEventWire", ObserveEventWire), ROW("CandidateWire", v1::CandidateWire), ROW("CandidateWireV2", v2::CandidateWire),
    ROW("CacheScoreWire", CacheScoreWire), ROW("CacheBreakpointWire", CacheBreakpointWire), ROW("WarmCacheEntryWire", WarmCacheEntryWire),
    ROW("RateLimitObservationWire", RateLimitObservationWire),
    ROW("SubscriptionQuotaCandidateSnapshotWire", SubscriptionQuotaCandidateSnapshotWire), ROW("ShapeRequest", v1::ShapeRequest),
    ROW("ShapeRequestV2", v2::ShapeRequest), ROW("ShapeResponse", v1::ShapeResponse), ROW("NormalizeErrorRequest", v1::NormalizeErrorRequest),
    ROW("NormalizeErrorResponse", v1::NormalizeErrorResponse), ROW("BuildSignerRequest", v1::BuildSignerRequest),
    ROW("BuildSignerResponse", v1::BuildSignerResponse), ROW("SignRequest", v1::SignRequest), ROW("SignResponse", v1::SignResponse),
    ROW("OnUnauthorizedRequest", v1::OnUnauthorizedRequest), ROW("OnUnauthorizedResponse", v1::OnUnauthorizedResponse),
    ROW("ObserveRequest", v1::ObserveRequest), ROW("ObserveResponse", v1::ObserveResponse), ROW("FilterRequest", v3::FilterRequest),
    ROW("FilterResponse", v3::FilterResponse), ROW("FallbackPolicy", FallbackPolicy), ROW("PluginKind", PluginKind),
};

Answer Wire(const View& line) {
  for (const TypeRow& row : kTypes) {
    if (row.name == line["type"].str()) return row.run(line);
  }
  return Failed("unknown type " + line["type"].str());
}

Answer JsonValue(const View& line) {
  const Result<Json> value = Json::Parse(line["text"].str());
  if (!value) return Expect(line["expect"], Fault{"serde", value.error().message}, {});
  return Expect(line["expect"], std::nullopt, Quoted(value->text()));
}

Answer Identity(const View& line) {
  const Checked<PluginIdentity> identity = ReadIdentity(FromBase64(line["wasm_b64"].str()));
  if (!identity) return Expect(line["expect"], identity.fault(), {});
  return Expect(line["expect"], std::nullopt, Value(*identity));
}

template <class T>
Answer ReadThen(const View& line, std::string_view text, auto then) {
  T value;
  std::string error;
  if (!ReadText(text, Duplicates::kError, &value, &error)) return Expect(line["expect"], Fault{"serde", error}, {});
  return then(value);
}

Answer OfferHashRaw(const View& line) {
  return ReadThen<HandshakeOfferRaw>(line, line["text"].str(), [&](const HandshakeOfferRaw& offer) {
    return Compare("hash", line["expect"].text(),
                   R"({"canonical":)" + Quoted(ToText(Canonicalize(offer))) + R"(,"sha256":)" + Quoted(Hex(OfferHash(offer))) + "}");
  });
}

std::string OfferAnswer(const HandshakeOffer& offer) {
  return R"({"sha256":)" + Quoted(Hex(OfferHash(offer))) + R"(,"validate":)" + Validation(Validate(offer)) + R"(,"wire":)" +
         Quoted(ToText(offer)) + "}";
}
Answer HashOffer(const View& line) {
  return ReadThen<HandshakeOffer>(line, line["text"].str(),
                                  [&](const HandshakeOffer& offer) { return Compare("offer", line["expect"].text(), OfferAnswer(offer)); });
}
Answer MakeOffer(const View& line) {
  std::set<std::string> capabilities;
  for (const View& capability : line["caps"].items()) capabilities.insert(capability.str());
  return Compare("offer", line["expect"].text(), OfferAnswer(BuildOffer(capabilities)));
}

Answer AcceptValidate(const View& line) {
  const Checked<HandshakeOffer> offer = ReadOffer(line["offer"].str());
  if (!offer) return Failed("offer: " + offer.fault().message);
  return ReadThen<HandshakeAccept>(line, line["accept"].str(), [&](const HandshakeAccept& accept) {
    return Expect(line["expect"], ValidateAgainstOffer(accept, *offer), Quoted(ToText(accept)));
  });
}

template <class T>
Answer ReadAndValidate(const View& line) {
  return ReadThen<T>(line, line["text"].str(),
                     [&](const T& value) { return Expect(line["expect"], Validate(value), Quoted(WriteText(value))); });
}
Answer IdentityValidate(const View& line) {
  return ReadThen<PluginIdentity>(line, line["text"].str(),
                                  [&](const PluginIdentity& identity) { return Expect(line["expect"], Validate(identity), "null"); });
}

Answer Metadata(const View& line) {
  return ReadThen<AugmentedMetadata>(line, line["text"].str(), [&](const AugmentedMetadata& metadata) {
    const int64_t now = line["now"].integer();
    const std::string wire = ToText(metadata);
    return Compare("metadata", line["expect"].text(),
                   R"({"is_expired":)" + std::string(metadata.IsExpired(now) ? "true" : "false") + R"(,"ttl_seconds":)" +
                       std::to_string(metadata.TtlSeconds(now)) + R"(,"validate":)" + Validation(Validate(metadata)) + R"(,"wire":)" +
                       (line["omit_wire"].is_true() ? "null" : Quoted(wire)) + R"(,"wire_len":)" + std::to_string(wire.size()) + "}");
  });
}

Answer MetadataBuild(const View& line) {
  const View args = line["args"];
  PluginIdentity identity;
  std::map<std::string, uint32_t> functions;
  std::set<std::string> capabilities;
  std::string error;
  if (!ReadText(args["identity"].text(), Duplicates::kError, &identity, &error) ||
      !ReadText(args["functions"].text(), Duplicates::kError, &functions, &error) ||
      !ReadText(args["caps"].text(), Duplicates::kError, &capabilities, &error)) {
    return Failed("args: " + error);
  }
  const auto built = BuildMetadata(identity, functions, capabilities, args["handshake_completed_at"].integer(),
                                   args["self_check_passed"].is_true(), args["self_check_completed_at"].integer(), args["ttl"].number(0));
  if (!built) return Expect(line["expect"], built.fault(), {});
  return Expect(line["expect"], std::nullopt, Quoted(ToText(*built)));
}

Answer Slots(const View& line) {
  std::set<std::string> functions;
  for (const View& function : line["functions"].items()) functions.insert(function.str());
  return Compare("slots", line["expect"].text(), Value(SlotsOf(functions)));
}

struct OpRow {
  std::string_view name;
  Answer (*run)(const View& line);
};
constexpr OpRow kOps[] = {
    {"identity", &Identity},
    {"identity_validate", &IdentityValidate},
    {"offer_hash_raw", &OfferHashRaw},
    {"offer_hash", &HashOffer},
    {"build_offer", &MakeOffer},
    {"accept_validate", &AcceptValidate},
    {"self_check_response", &ReadAndValidate<SelfCheckResponse>},
    {"self_check_request", &ReadAndValidate<SelfCheckRequest>},
    {"metadata", &Metadata},
    {"metadata_build", &MetadataBuild},
    {"record", &ReadAndValidate<PluginRegistryRecord>},
    {"slots", &Slots},
    {"wire", &Wire},
    {"json_value", &JsonValue},
};

}  // namespace

Answer RunPure(const View& line) {
  for (const OpRow& row : kOps) {
    if (row.name == line["op"].str()) return row.run(line);
  }
  return Failed("unknown op " + line["op"].str());
}

}  // namespace weir::cclb::golden
