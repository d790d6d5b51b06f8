#include "base/wasm_module.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace weir {
namespace {

std::string Number(uint64_t value) {
  std::string out;
  do {
    const auto byte = static_cast<uint8_t>(value & 0x7F);
    value >>= 7;
    out.push_back(static_cast<char>(value != 0 ? byte | 0x80 : byte));
  } while (value != 0);
  return out;
}
std::string Name(std::string_view name) { return Number(name.size()) + std::string(name); }
std::string Section(uint8_t id, std::string_view content) {
  return std::string(1, static_cast<char>(id)) + Number(content.size()) + std::string(content);
}
std::string Bytes(std::initializer_list<int> bytes) {
  std::string out;
  for (int byte : bytes) out.push_back(static_cast<char>(byte));
  return out;
}
const std::string kHeader("\0asm\1\0\0\0", 8);

// (type 0: (i32, i64) -> i32; type 1: ()), import env.proxy_log of type 0, one function of type 1, a memory of 2 to 16 pages.
std::string Plugin() {
  return kHeader + Section(1, Bytes({2, 0x60, 2, 0x7F, 0x7E, 1, 0x7F, 0x60, 0, 0})) +
         Section(2, Bytes({1}) + Name("env") + Name("proxy_log") + Bytes({0, 0})) + Section(3, Bytes({1, 1})) +
         Section(5, Bytes({1, 1, 2, 16})) +
         Section(7, Bytes({2}) + Name("memory") + Bytes({2, 0}) + Name("proxy_on_done") + Bytes({0, 1})) +
         Section(8, Bytes({1})) + Section(10, Bytes({1, 2, 0, 0x0B})) + Section(11, Bytes({1, 0, 0x41, 0, 0x0B, 1, 'x'})) +
         Section(0, Name("producers") + Bytes({1}) + Name("language") + Bytes({1}) + Name("Rust") + Name("2021")) +
         Section(0, Name("name") + Section(1, Bytes({1, 1}) + Name("proxy_wasm::set_log_level"))) +
         Section(0, Name(".debug_info") + "dwarf");
}

std::string ErrorOf(std::string_view bytes) {
  auto module = ReadWasmModule(bytes, "p.wasm");
  if (module) return "no error";
  EXPECT_EQ(module.error().code, ErrorCode::kInvalidModule);
  EXPECT_TRUE(module.error().message.starts_with("p.wasm: ")) << module.error().message;
  return module.error().message;
}
#define EXPECT_ERROR(bytes, part) EXPECT_NE(ErrorOf(bytes).find(part), std::string::npos) << ErrorOf(bytes)

TEST(WasmModule, ReadsAPlugin) {
  const std::string bytes = Plugin();
  auto module = ReadWasmModule(bytes, "p.wasm");
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_EQ(module->file_bytes, bytes.size());
  ASSERT_EQ(module->imports.size(), 1u);
  EXPECT_EQ(module->imports[0].module, "env");
  EXPECT_EQ(module->imports[0].name, "proxy_log");
  EXPECT_EQ(module->imports[0].signature, "(i32, i64) -> i32");
  ASSERT_EQ(module->memories.size(), 1u);
  EXPECT_EQ(module->memories[0].min, 2u);
  EXPECT_EQ(module->memories[0].max, 16u);
  ASSERT_NE(module->FindExport("proxy_on_done"), nullptr);
  EXPECT_EQ(module->FindExport("proxy_on_done")->signature, "()");
  EXPECT_EQ(module->FindExport("memory")->kind, WasmExternKind::kMemory);
  EXPECT_EQ(module->FindExport("absent"), nullptr);
  EXPECT_EQ(module->start, 1u);
  EXPECT_EQ(module->functions, 1u);
  EXPECT_EQ(module->code_bytes, 4u);
  EXPECT_EQ(module->data_bytes, 7u);
  ASSERT_EQ(module->producers.size(), 1u);
  EXPECT_EQ(module->producers[0].name, "Rust");
  ASSERT_EQ(module->function_names.size(), 1u);
  EXPECT_EQ(module->function_names[0], "proxy_wasm::set_log_level");
  EXPECT_TRUE(module->has_dwarf);
  EXPECT_EQ(module->sections.back().name, ".debug_info");
  EXPECT_EQ(module->sections.back().size, 17u);
  EXPECT_TRUE(module->notes.empty());
}

TEST(WasmModule, SaysWhatAFileIsInstead) {
  EXPECT_ERROR("", "is empty");
  EXPECT_ERROR(std::string_view("\0as", 3), "cut off after 3 bytes");
  EXPECT_ERROR(std::string_view(kHeader).substr(0, 7), "cut off after 7 bytes");
  EXPECT_ERROR("hello, this is text", "is not WebAssembly");
  EXPECT_ERROR(";; a comment\n  (module)", "text (WAT)");
  EXPECT_ERROR("(module (memory 1))", "wat2wasm");
  EXPECT_ERROR(std::string("\0asm\x0d\0\1\0", 8), "is a WebAssembly component");
  EXPECT_ERROR(std::string("\0asm\2\0\0\0", 8), "version 2 layer 0");
  EXPECT_ERROR("\x7f" "ELF\2\1\1", "native code (ELF)");
  EXPECT_ERROR("\x1f\x8b\x08", "gunzip");
  EXPECT_ERROR("<!doctype html>", "HTML");
}

TEST(WasmModule, TheHeaderAloneIsAModule) { EXPECT_TRUE(ReadWasmModule(kHeader, "p.wasm")); }

TEST(WasmModule, ADataCountHasNothingBehindIt) {
  const auto with = [](std::string_view content) { return kHeader + Section(12, content) + Section(11, Bytes({2, 1, 1, 'x', 1, 1, 'y'})); };
  EXPECT_TRUE(ReadWasmModule(with(Bytes({2})), "p.wasm"));
  EXPECT_ERROR(with(Bytes({2, 0})), "1 bytes too many");
  EXPECT_ERROR(with(""), "number of data segments");
}

TEST(WasmModule, NamesThePlaceOfAFault) {
  EXPECT_ERROR(kHeader + Bytes({1, 100, 0}), "cut off: the type section at byte 8 should have 100 bytes, the file ends after 1");
  EXPECT_ERROR(kHeader + Bytes({1}), "cut off in a section header");
  EXPECT_ERROR(kHeader + Section(99, ""), "byte 8: unknown section id 99");
  EXPECT_ERROR(kHeader + Section(1, Bytes({0, 0})), "byte 11, type section: 1 bytes too many");
  EXPECT_ERROR(kHeader + Section(1, Bytes({0})) + Section(1, Bytes({0})), "twice or out of order");
  EXPECT_ERROR(kHeader + Section(3, Bytes({0})) + Section(1, Bytes({0})), "type section is twice or out of order");
  EXPECT_ERROR(kHeader + Section(1, Bytes({1, 0x61})), "type 1 of 1: unknown form 97");
  EXPECT_ERROR(kHeader + Section(1, Bytes({1, 0x60, 1, 0x01, 0})), "unknown value type 1");
  EXPECT_ERROR(kHeader + Section(2, Bytes({5, 0})), "number of imports is 5, with 1 bytes left");
  EXPECT_ERROR(kHeader + Section(2, Bytes({1, 9, 'e'})), "module name wants 9 bytes, with 1 left");
  EXPECT_ERROR(kHeader + Section(2, Bytes({1, 1, 0xFF, 1, 'f', 0, 0})), "module name is not UTF-8");
  EXPECT_ERROR(kHeader + Section(2, Bytes({1}) + Name("env") + Name("f") + Bytes({0, 0})), "(env.f): type 0 of 0");
  EXPECT_ERROR(kHeader + Section(2, Bytes({1}) + Name("env") + Name("f") + Bytes({7, 0})), "unknown kind 7");
  EXPECT_ERROR(kHeader + Section(3, Bytes({1, 0})), "type 0 of 0");
  EXPECT_ERROR(kHeader + Section(5, Bytes({1, 1, 4, 2})), "memory 1 of 1: limits have a maximum below the minimum");
  EXPECT_ERROR(kHeader + Section(5, Bytes({1, 8, 4})), "unknown flags 8");
  EXPECT_ERROR(kHeader + Section(7, Bytes({1}) + Name("f") + Bytes({0, 0})), "export \"f\": function 0 of 0");
  EXPECT_ERROR(kHeader + Section(7, Bytes({1}) + Name("m") + Bytes({2, 0})), "export \"m\": memory 0 of 0");
  EXPECT_ERROR(kHeader + Section(8, Bytes({3})), "start section: function 3 of 0");
  EXPECT_ERROR(kHeader + Section(10, Bytes({1, 9, 0})), "code of function 1 of 1: code wants 9 bytes, with 1 left");
  EXPECT_ERROR(kHeader + Section(1, Bytes({1, 0x60, 0, 0})) + Section(3, Bytes({1, 0})),
               "declares 1 functions, the code section has 0");
}

TEST(WasmModule, NumbersEndAt32Bits) {
  // 2^32 - 1 is a number (here of a type that is not there), 2^32 is not, nor is a sixth byte.
  EXPECT_ERROR(kHeader + Section(3, Bytes({1, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F})), "type 4294967295 of 0");
  EXPECT_ERROR(kHeader + Section(3, Bytes({1, 0x80, 0x80, 0x80, 0x80, 0x10})), "not a number of 32 bits");
  EXPECT_ERROR(kHeader + Section(3, Bytes({1, 0x80, 0x80, 0x80, 0x80, 0x80, 0})), "not a number of 32 bits");
}

TEST(WasmModule, ReadsMemory64AndSharedLimits) {
  auto module = ReadWasmModule(kHeader + Section(5, Bytes({1, 7, 1}) + Number(uint64_t{1} << 40)), "p.wasm");
  ASSERT_TRUE(module) << module.error().message;
  EXPECT_TRUE(module->memories[0].is_64);
  EXPECT_TRUE(module->memories[0].shared);
  EXPECT_EQ(module->memories[0].max, uint64_t{1} << 40);
}

TEST(WasmModule, ReadsRecursiveAndReferenceTypes) {
  // A group of a struct with an i8 and a function (ref null 0) -> funcref.
  const std::string bytes = kHeader + Section(1, Bytes({1, 0x4E, 2, 0x50, 0, 0x5F, 1, 0x78, 1, 0x60, 1, 0x63, 0, 1, 0x70}));
  auto module = ReadWasmModule(bytes, "p.wasm");
  ASSERT_TRUE(module) << module.error().message;
  ASSERT_EQ(module->type_signatures.size(), 2u);
  EXPECT_EQ(module->type_signatures[0], "struct");
  EXPECT_EQ(module->type_signatures[1], "((ref null 0)) -> funcref");
}

TEST(WasmModule, AFaultInsideACustomSectionIsANote) {
  auto module = ReadWasmModule(kHeader + Section(0, Name("producers") + Bytes({9})), "p.wasm");
  ASSERT_TRUE(module) << module.error().message;
  ASSERT_EQ(module->notes.size(), 1u);
  EXPECT_NE(module->notes[0].find("custom section \"producers\": number of fields"), std::string::npos) << module->notes[0];
  EXPECT_ERROR(kHeader + Section(0, Bytes({5, 'a'})), "custom section: name wants 5 bytes");
}

TEST(WasmModule, EveryPrefixAnswers) {
  const std::string bytes = Plugin();
  size_t whole = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A copy of the exact size: a read past the end is a fault under the address sanitizer.
    const std::string prefix = bytes.substr(0, size);
    whole += ReadWasmModule(prefix, "p.wasm").has_value() ? 1 : 0;
  }
  // Between sections a prefix is a module of its own: after the header, type and import section, and after each from code on
  // (between them a function would be without its code, or the start or export names a function that is not there).
  EXPECT_EQ(whole, 7u);
}

TEST(WasmModule, MutantsAnswerAndViewsStayInside) {
  const std::string original = Plugin();
  std::mt19937 random(20240803);  // NOLINT: the same mutants every time
  size_t accepted = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = original;
    const int edits = 1 + static_cast<int>(random() % 3);
    for (int i = 0; i < edits && !bytes.empty(); ++i) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8)); break;
        case 2: bytes.erase(at, 1 + random() % 4); break;
        case 3: bytes.insert(at, 1, static_cast<char>(random())); break;
      }
    }
    auto module = ReadWasmModule(bytes, "p.wasm");
    if (!module) {
      ++refused;
      ASSERT_FALSE(module.error().message.empty());
      continue;
    }
    ++accepted;
    const auto inside = [&](std::string_view view) {
      return view.empty() || (view.data() >= bytes.data() && view.data() + view.size() <= bytes.data() + bytes.size());
    };
    for (const WasmImport& import : module->imports) ASSERT_TRUE(inside(import.module) && inside(import.name));
    for (const WasmExport& exported : module->exports) ASSERT_TRUE(inside(exported.name));
    for (std::string_view name : module->function_names) ASSERT_TRUE(inside(name));
    for (const WasmProducer& producer : module->producers) ASSERT_TRUE(inside(producer.name) && inside(producer.version));
  }
  EXPECT_GT(accepted, 1000u);  // both outcomes are met, so both are tested
  EXPECT_GT(refused, 1000u);
}

}  // namespace
}  // namespace weir
