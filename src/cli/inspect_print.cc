// How `weir inspect` shows what it found.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>

#include "cli/inspect.h"
#include "cli/terminal.h"
#include "cli/text.h"
#include "weir/engine.h"

namespace weir::cli {
namespace {

constexpr uint64_t kPageBytes = 64 << 10;

std::string Pages(const WasmLimits& limits) {
  std::string text = BytesText(limits.min * kPageBytes) + " at the start, ";
  text += limits.max ? "at most " + BytesText(*limits.max * kPageBytes) : "no maximum of its own";
  if (limits.shared) text += ", shared";
  if (limits.is_64) text += ", 64-bit";
  return text;
}

std::string FamilyOf(const Inspection& in) {
  if (in.family.empty()) return "no plugin of a known kind";
  return in.family + (in.versions.empty() ? "" : " ABI " + Join(in.versions));
}

std::string Toolchain(const Inspection& in) {
  std::vector<std::string> parts;
  for (const WasmProducer& producer : in.module.producers) {
    if (producer.field == "processed-by") parts.push_back(Printable(producer.name) + " " + Printable(producer.version.substr(0, producer.version.find(' '))));
  }
  return Join(parts);
}

Style StyleOf(Offer offer) {
  return offer == Offer::kWorks ? Style::kGreen : offer == Offer::kApplication ? Style::kBold : Style::kRed;
}

class Text {
 public:
  Text(const Inspection& in, bool colour) : in_(in), paint_(-1) { paint_.enabled = colour; }

  std::string Write() {
    out_ = Bold(Printable(in_.file)) + ": " + FamilyOf(in_) + ", " + BytesText(in_.module.file_bytes) + "\n";
    Row("made with", in_.sdk.empty() ? "cannot be told" : in_.sdk + "  (" + in_.sdk_evidence + ")");
    if (const std::string toolchain = Toolchain(in_); !toolchain.empty()) Row("toolchain", toolchain);
    for (const WasmLimits& memory : in_.module.memories) Row("memory", Pages(memory));
    Row("code, data", BytesText(in_.module.code_bytes) + " in " + std::to_string(in_.module.functions) + " functions, " + BytesText(in_.module.data_bytes));
    Row("start", in_.start.empty() ? "nothing" : Join(in_.start));
    const size_t names = in_.module.function_names.size();
    Row("debugging", (names == 0 ? std::string("no function names (backtraces show numbers)") : std::to_string(names) + " function names") +
                         (in_.module.has_dwarf ? ", DWARF" : ""));
    Callbacks();
    Imports();
    CustomSections();
    for (const std::string& note : in_.module.notes) out_ += "note: " + Printable(note) + "\n";
    out_ += in_.refusal ? Paint(Style::kRed, "Weir does not load it.") : Paint(Style::kGreen, Extism() ? "Weir calls it: " : "Weir loads it.");
    return out_ + (Extism() && !in_.refusal ? Command() : "") + "\n";
  }

 private:
  std::string Paint(Style style, const std::string& text) const {
    return std::string(paint_.On(style)) + text + std::string(paint_.Off());
  }
  std::string Bold(const std::string& text) const { return Paint(Style::kBold, text); }
  bool Extism() const { return in_.family == "Extism"; }
  /// How to run it.
  std::string Command() const {
    const auto& sections = in_.module.sections;
    const bool cclb = std::any_of(sections.begin(), sections.end(), [](const WasmSection& row) { return row.id == 0 && row.name == "cc_lb.plugin.v1"; });
    if (cclb) return "weir cclb verify " + Printable(in_.file);
    return "weir call " + Printable(in_.file) + " " + (in_.callbacks.empty() ? "FUNCTION" : Printable(in_.callbacks.front().name));
  }
  void Row(const std::string& label, const std::string& value) { out_ += "  " + Padded(label, 12) + value + "\n"; }

  void Callbacks() {
    out_ += Bold(Extism() ? "functions" : "callbacks") + " (" + std::to_string(in_.callbacks.size()) + ")\n";
    for (const CallbackReport& callback : in_.callbacks) {
      out_ += "  " + Printable(callback.name) + "\n";
    }
  }

  void Imports() {
    out_ += Bold("imports") + " (" + std::to_string(in_.imports.size()) + ")\n";
    size_t width = 0;
    for (const ImportReport& import : in_.imports) width = std::max(width, OfferName(import.offer).size());
    for (const ImportReport& import : in_.imports) {
      out_ += "  " + Paint(StyleOf(import.offer), Padded(std::string(OfferName(import.offer)), width)) + "  " + Printable(import.module) + "." +
              Printable(import.name) + import.signature + (import.detail.empty() ? "" : "  <- " + Printable(import.detail)) + "\n";
    }
  }

  void CustomSections() {
    std::string list;
    for (const WasmSection& section : in_.module.sections) {
      if (section.id == 0) list += "  " + Padded(BytesText(section.size), 12) + Printable(section.name) + "\n";
    }
    if (!list.empty()) out_ += Bold("custom sections") + "\n" + list;
  }

  const Inspection& in_;
  Painter paint_;
  std::string out_;
};

boost::json::value Limits(const WasmLimits& limits) {
  boost::json::object out{{"pages_min", limits.min}, {"pages_max", nullptr}};
  if (limits.max) out["pages_max"] = *limits.max;
  if (limits.shared) out["shared"] = true;
  if (limits.is_64) out["is_64"] = true;
  return out;
}

template <class T>
boost::json::array Strings(const std::vector<T>& items) {
  boost::json::array out;
  for (const auto& item : items) out.emplace_back(boost::json::string(std::string_view(item)));
  return out;
}

boost::json::string String(std::string_view text) { return boost::json::string(text.data(), text.size()); }

}  // namespace

std::string InspectionText(const Inspection& inspection, bool colour) { return Text(inspection, colour).Write(); }

std::string InspectionJson(const Inspection& in) {
  boost::json::object out;
  out["file"] = String(in.file);
  out["bytes"] = in.module.file_bytes;
  out["loads"] = !in.refusal.has_value();
  out["error"] = nullptr;
  if (in.refusal) out["error"] = String(in.refusal->message);
  out["family"] = nullptr;
  if (!in.family.empty()) out["family"] = String(in.family);
  out["abi_versions"] = Strings(in.versions);
  out["sdk"] = nullptr;
  if (!in.sdk.empty()) out["sdk"] = boost::json::object{{"name", String(in.sdk)}, {"evidence", String(in.sdk_evidence)}};
  boost::json::array producers, callbacks, imports, exports, memories, sections;
  for (const WasmProducer& p : in.module.producers) {
    producers.push_back(boost::json::object{{"field", String(p.field)}, {"name", String(p.name)}, {"version", String(p.version)}});
  }
  for (const CallbackReport& c : in.callbacks) {
    callbacks.push_back(boost::json::object{
        {"name", String(c.name)}, {"signature", String(c.signature)}, {"section", String(c.section)}});
  }
  for (const ImportReport& i : in.imports) {
    boost::json::object import{{"module", String(i.module)}, {"name", String(i.name)}, {"kind", String(i.kind)}, {"offer", String(OfferName(i.offer))}};
    if (!i.signature.empty()) import["signature"] = String(i.signature);
    if (!i.section.empty()) import["section"] = String(i.section);
    if (!i.detail.empty()) import["detail"] = String(i.detail);
    imports.push_back(std::move(import));
  }
  for (const WasmExport& e : in.module.exports) {
    boost::json::object exported{{"name", String(e.name)}, {"kind", String(WasmExternKindName(e.kind))}};
    if (!e.signature.empty()) exported["signature"] = String(e.signature);
    exports.push_back(std::move(exported));
  }
  for (const WasmLimits& memory : in.module.memories) memories.push_back(Limits(memory));
  for (const WasmSection& section : in.module.sections) {
    if (section.id == 0) sections.push_back(boost::json::object{{"name", String(section.name)}, {"bytes", section.size}});
  }
  out["producers"] = std::move(producers);
  out["callbacks"] = std::move(callbacks);
  out["imports"] = std::move(imports);
  out["exports"] = std::move(exports);
  out["memories"] = std::move(memories);
  out["start"] = Strings(in.start);
  out["functions"] = in.module.functions;
  out["code_bytes"] = in.module.code_bytes;
  out["data_bytes"] = in.module.data_bytes;
  out["function_names"] = in.module.function_names.size();
  out["dwarf"] = in.module.has_dwarf;
  out["custom_sections"] = std::move(sections);
  out["notes"] = Strings(in.module.notes);
  return boost::json::serialize(out) + "\n";
}

int Inspect(const InspectRequest& request) {
  if (request.properties) {
    const std::string text = request.json ? PropertiesJson() : PropertiesText(Painter(STDOUT_FILENO).enabled);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return 0;
  }
  const Result<std::string> bytes = ReadFile(request.file);
  if (!bytes) {
    PrintError(bytes.error().message);
    return 1;
  }
  const Result<Inspection> inspection = InspectModule(*bytes, request.file);
  if (!inspection) {
    PrintError(inspection.error().message);
    return 1;
  }
  const std::string text = request.json ? InspectionJson(*inspection) : InspectionText(*inspection, Painter(STDOUT_FILENO).enabled);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  if (!inspection->refusal) return 0;
  PrintError(inspection->refusal->message);
  return 1;
}

}  // namespace weir::cli
