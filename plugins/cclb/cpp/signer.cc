// A signer: puts the operator's key into every request. The host keeps a signer's state and hands it in with each call, so the plugin
// itself has none: factory_state {"key_base64":"…"} is what the operator configured, signer_state what build_signer made of it.
#include "cc_lb.h"

namespace {

using cc_lb::Json;

cc_lb::Answer BuildSigner(const Json& call) {
  const Json key = call["factory_state"]["key_base64"];
  if (!key.IsPresent()) return cc_lb::Fail("factory_state has no key_base64");
  return {"\"signer_state\":{\"key_base64\":" + std::string(key.text()) + ",\"renewals\":0}", {}};
}

cc_lb::Answer Sign(const Json& call) {
  const Json key = call["signer_state"]["key_base64"];
  if (!key.IsPresent()) return cc_lb::Fail("signer_state has no key_base64");
  std::string headers;
  call["shaped"]["headers"].EachElement([&](Json header) { headers += std::string(header.text()) + ","; });
  headers += "{\"name\":\"x-api-key\",\"value_base64\":" + std::string(key.text()) + "}";
  return {"\"url\":null,\"method\":null,\"headers\":[" + headers + "],\"body_base64\":null", {}};  // null: unchanged
}

/// A 401 is tried again, twice at most.
cc_lb::Answer OnUnauthorized(const Json& call) {
  const Json state = call["signer_state"];
  const uint64_t renewals = state["renewals"].Number();
  if (call["error"]["status"].Number() != 401 || !state["key_base64"].IsPresent() || renewals >= 2) {
    return {"\"decision\":\"fail\",\"signer_state\":" + std::string(state.text().empty() ? "null" : state.text()), {}};
  }
  return {"\"decision\":\"refresh\",\"signer_state\":{\"key_base64\":" + std::string(state["key_base64"].text()) +
              ",\"renewals\":" + std::to_string(renewals + 1) + "}",
          {}};
}

constexpr cc_lb::Function kFunctions[] = {
    {"build_signer", BuildSigner, R"({"factory_state":{"key_base64":"a2V5"}})"},
    {"sign", Sign, R"({"shaped":{"headers":[]},"signer_state":{"key_base64":"a2V5","renewals":0}})"},
    {"on_unauthorized", OnUnauthorized, R"({"error":{"status":401},"signer_state":{"key_base64":"a2V5","renewals":0}})"}};

}  // namespace

CC_LB_PLUGIN("cpp-signer", "0.1.0", kFunctions)
CC_LB_EXPORT(build_signer, BuildSigner)
CC_LB_EXPORT(sign, Sign)
CC_LB_EXPORT(on_unauthorized, OnUnauthorized)
