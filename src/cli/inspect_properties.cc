// `weir inspect --properties`: the table of properties, for people and for programs.
#include <boost/json.hpp>

#include "cli/inspect.h"
#include "cli/terminal.h"
#include "proxy_wasm/properties.h"

namespace weir::cli {
namespace {

constexpr std::pair<uint8_t, std::string_view> kPlaces[] = {{kInNginx, "nginx"}, {kInMemory, "memory"}, {kInTcp, "tcp"}};

std::string Padded(std::string_view text, size_t width) {
  std::string out(text);
  out.resize(std::max(width, text.size() + 1), ' ');
  return out;
}

boost::json::string String(std::string_view text) { return boost::json::string(text.data(), text.size()); }

}  // namespace

std::string PropertiesText(bool colour) {
  constexpr size_t kPathWidth = 49, kTypeWidth = 11, kWhenWidth = 21, kWhereWidth = 18;
  std::string out = Padded("PATH", kPathWidth) + Padded("VALUE", kTypeWidth) + Padded("WHEN", kWhenWidth) + Padded("WHERE", kWhereWidth) + "\n";
  if (colour) out = "\033[1m" + out + "\033[0m";
  for (const PropertyRow& row : kProperties) {
    const std::string_view remark = proxy_wasm::PropertyRemark(row);
    out += Padded(row.path, kPathWidth);
    if (!remark.empty()) {
      out += std::string(remark) + "\n";
      continue;
    }
    std::string where;
    for (const auto& [bit, name] : kPlaces) {
      if ((row.where & bit) != 0) where += (where.empty() ? "" : " ") + std::string(name);
    }
    out += Padded(proxy_wasm::PropertyTypeName(row.type), kTypeWidth) + Padded(proxy_wasm::PropertyWhenText(row.when), kWhenWidth) +
           Padded(where, kWhereWidth) + std::string(row.meaning);
    if ((row.where & kAlsoXds) != 0) out += " (also xds." + std::string(row.path) + ")";
    out += "\n";
  }
  return out + "\nngx.NAME is NGINX's variable $NAME; any other path is custom: set by one plugin, read by all of the stream's chain.\n";
}

std::string PropertiesJson() {
  boost::json::array rows;
  for (const PropertyRow& row : kProperties) {
    boost::json::array where;
    for (const auto& [bit, name] : kPlaces) {
      if ((row.where & bit) != 0) where.emplace_back(String(name));
    }
    const std::string_view remark = proxy_wasm::PropertyRemark(row);
    boost::json::object out{{"path", String(row.path)},
                            {"type", String(proxy_wasm::PropertyTypeName(row.type))},
                            {"when", String(proxy_wasm::PropertyWhenText(row.when))},
                            {"where", std::move(where)},
                            {"meaning", String(row.meaning)},
                            {"answer", String(remark.empty() ? "value" : remark)}};
    if ((row.where & kAlsoXds) != 0) out["also"] = String("xds." + std::string(row.path));
    rows.push_back(std::move(out));
  }
  return boost::json::serialize(boost::json::object{{"properties", std::move(rows)}}) + "\n";
}

}  // namespace weir::cli
