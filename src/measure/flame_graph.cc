#include "measure/flame_graph.h"

#include <algorithm>
#include <cstdio>
#include <map>

namespace weir::measure {
namespace {

constexpr double kWidth = 1200, kMargin = 10, kRow = 17, kTop = 40, kLetter = 6.6, kLeastWidth = 0.1;

struct Node {
  uint64_t samples = 0;
  std::map<std::string, Node, std::less<>> children;
};

size_t Depth(const Node& node) {
  size_t deepest = 0;
  for (const auto& [name, child] : node.children) deepest = std::max(deepest, Depth(child));
  return deepest + 1;
}

std::string Escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += uint8_t(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

std::string Format(const char* format, auto... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

/// Warm, and always the same for a name.
std::string Colour(std::string_view name) {
  uint32_t hash = 2166136261;
  for (char c : name) hash = (hash ^ uint8_t(c)) * 16777619;
  if (name.starts_with('[')) return Format("rgb(%u,%u,%u)", 170 + hash % 30, 180 + hash / 31 % 30, 205 + hash / 7 % 30);  // not the guest's
  return Format("rgb(%u,%u,%u)", 205 + hash % 50, 90 + hash / 51 % 110, 40 + hash / 7 % 40);
}

class Drawing {
 public:
  Drawing(const Node& root, std::string_view title) : root_(root), height_(kTop + kRow * double(Depth(root)) + kMargin) {
    out_ = Format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" font-family=\"monospace\" font-size=\"11\">\n", kWidth, height_);
    out_ += "<style>g:hover rect{stroke:#000}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fffdf5\"/>\n";
    out_ += Format("<text x=\"%.0f\" y=\"24\" font-size=\"15\">", kMargin) + Escaped(title) + "</text>\n";
    Draw("all", root, kMargin, 0);
    out_ += "</svg>\n";
  }
  std::string Take() { return std::move(out_); }

 private:
  void Draw(std::string_view name, const Node& node, double x, size_t depth) {
    const double width = double(node.samples) / double(root_.samples) * (kWidth - 2 * kMargin);
    if (width < kLeastWidth) return;
    const double y = height_ - kMargin - kRow * double(depth + 1);
    const std::string whole = Escaped(name) + Format(" (%llu samples, %.1f %%)", static_cast<unsigned long long>(node.samples), 100 * double(node.samples) / double(root_.samples));
    out_ += "<g><title>" + whole + "</title>" + Format("<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" rx=\"1\" fill=\"", x, y, width, kRow - 1) + Colour(name) + "\"/>";
    const size_t letters = size_t(std::max(0.0, (width - 6) / kLetter));
    if (letters >= 3) {
      const std::string shown = name.size() <= letters ? std::string(name) : std::string(name.substr(0, letters - 2)) + "..";
      out_ += Format("<text x=\"%.2f\" y=\"%.1f\">", x + 3, y + kRow - 5) + Escaped(shown) + "</text>";
    }
    out_ += "</g>\n";
    for (const auto& [child_name, child] : node.children) {
      Draw(child_name, child, x, depth + 1);
      x += double(child.samples) / double(root_.samples) * (kWidth - 2 * kMargin);
    }
  }

  const Node& root_;
  const double height_;
  std::string out_;
};

}  // namespace

std::string FlameGraph(std::span<const Stack> stacks, std::string_view title) {
  Node root;
  for (const Stack& stack : stacks) {
    Node* at = &root;
    at->samples += stack.samples;
    for (const std::string& frame : stack.frames) {
      at = &at->children[frame];
      at->samples += stack.samples;
    }
  }
  if (root.samples == 0) root.samples = 1;
  return Drawing(root, title).Take();
}

std::string FoldedStacks(std::span<const Stack> stacks) {
  std::string text;
  for (const Stack& stack : stacks) {
    for (size_t i = 0; i < stack.frames.size(); ++i) {
      if (i > 0) text += ';';
      for (char c : stack.frames[i]) text += c == ';' || c == '\n' ? ':' : c;
    }
    text += " " + std::to_string(stack.samples) + "\n";
  }
  return text;
}

}  // namespace weir::measure
