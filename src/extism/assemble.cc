// assemble KERNEL.wat OUT.cc: at build time, the kernel as a binary. No process that starts has to read text.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "engine/instance.h"

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::ifstream in(argv[1]);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto wasm = weir::engine::WatToWasm(text);
  if (!wasm) {
    std::fprintf(stderr, "%s: %s\n", argv[1], wasm.error().message.c_str());
    return 1;
  }
  std::ofstream out(argv[2]);
  out << "#include \"extism/kernel.h\"\nnamespace weir::extism {\nnamespace {\nconstexpr char kBytes[] = {";
  for (const char byte : *wasm) out << static_cast<int>(byte) << ",";
  out << "};\n}  // namespace\nconstinit const std::string_view kKernelWasm(kBytes, sizeof kBytes);\n}  // namespace weir::extism\n";
  return out.flush() ? 0 : 1;
}
