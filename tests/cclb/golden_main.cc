// cclb_golden_test [NAME…]: the lines in WEIR_GOLDEN_DIR, or the project's own, against Weir. NAME: only lines that contain it.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "golden.h"
#include "weir/engine.h"

namespace weir::cclb::golden {

Answer Compare(std::string_view what, std::string_view expected, std::string_view got) {
  if (expected == got) return Passed();
  size_t same = 0;
  while (same < expected.size() && same < got.size() && expected[same] == got[same]) ++same;
  const size_t from = same > 60 ? same - 60 : 0;
  constexpr size_t kShown = 260;
  return Failed(std::string(what) + " differs at byte " + std::to_string(same) + ":\n      expected " +
                std::string(expected.substr(std::min(from, expected.size()), kShown)) + "\n      got      " +
                std::string(got.substr(std::min(from, got.size()), kShown)));
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
std::string FromBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit = kBase64.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if ((count += 6) >= 8) out.push_back(static_cast<char>(bits >> (count -= 8)));
  }
  return out;
}
std::string ToBase64(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out.push_back(i + k > bytes.size() ? '=' : kBase64[bits >> (18 - 6 * k) & 0x3F]);
  }
  return out;
}

class Run {
 public:
  Run(std::string dir, std::vector<std::string> filters)
      : dir_(std::move(dir)),
        filters_(std::move(filters)),
        cases_(MakeCases(dir_ + "/modules", {dir_ + "/modules", dir_ + "/plugins", WEIR_CCLB_PLUGINS_DIR})) {}

  int All() {
    for (const char* file : {"offer", "accept_pure", "identity", "self_check", "metadata", "slots", "wire_types"}) {
      Lines(std::string(file) + ".jsonl", [](const View& line) { return RunPure(line); });
    }
    if (const auto text = ReadFile(dir_ + "/consts.json")) {
      Line("consts.json", 1, *text, [](const View& consts) { return RunConsts(consts); });
    }
    for (const char* file : {"cases", "cases_extra", "cases_kernel"}) {
      Lines(std::string(file) + ".jsonl", [this](const View& line) { return cases_->Run(line); });
    }
    std::printf("%d passed, %d failed, %d skipped\n", counts_[0], counts_[1], counts_[2]);
    if (counts_[0] + counts_[1] + counts_[2] == 0) std::printf("no golden lines in %s\n", dir_.c_str());
    return counts_[1] == 0 && counts_[0] > 0 ? 0 : 1;
  }

 private:
  template <class F>
  void Lines(const std::string& file, F run) {
    const auto text = ReadFile(dir_ + "/" + file);
    if (!text) return;
    int number = 0;
    for (size_t at = 0; at < text->size();) {
      const size_t end = std::min(text->find('\n', at), text->size());
      if (end != at) Line(file, ++number, std::string_view(*text).substr(at, end - at), run);
      at = end + 1;
    }
  }

  template <class F>
  void Line(const std::string& file, int number, std::string_view text, F run) {
    for (const std::string& filter : filters_) {
      if (text.find(filter) == std::string_view::npos && file.find(filter) == std::string::npos) return;
    }
    JsonTree tree;
    Answer answer = Failed("not JSON");
    std::string name;
    if (tree.Parse(text)) {
      const View line(tree, JsonTree::kRoot);
      name = line["name"] ? line["name"].str() : line["input"]["name"] ? line["input"]["name"].str() : line["op"].str();
      answer = run(line);
    }
    ++counts_[static_cast<size_t>(answer.verdict)];
    if (answer.verdict == Verdict::kPassed) return;
    std::printf("%s %s:%d %s: %s\n", answer.verdict == Verdict::kFailed ? "FAIL" : "skip", file.c_str(), number, name.c_str(),
                answer.why.c_str());
  }

  std::string dir_;
  std::vector<std::string> filters_;
  std::unique_ptr<Cases> cases_;
  int counts_[3] = {};
};

}  // namespace weir::cclb::golden

int main(int argc, char** argv) {
  const char* dir = std::getenv("WEIR_GOLDEN_DIR");
  return weir::cclb::golden::Run(dir != nullptr ? dir : WEIR_CCLB_GOLDEN_DIR, std::vector<std::string>(argv + 1, argv + argc)).All();
}
