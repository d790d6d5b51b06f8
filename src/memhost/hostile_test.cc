// A plugin that does anything: each callback, start function and allocation of its guest plays the next bytes of a program as
// host calls of the whole table with arguments from a dictionary of good and bad ones, while the driver plays the rest as
// streams that come, pause, end, and are torn down. Whatever it does, the host goes on.
//
// As a test it plays random programs of fixed seeds. With WEIR_FUZZER it is a libFuzzer target instead (fuzz/CMakeLists.txt).
#include <cstdio>
#include <random>

#include "engine/instance.h"
#include "memhost/memory_stream.h"
#include "proxy_wasm/callbacks.h"
#include "proxy_wasm/host_functions.h"
#include "proxy_wasm/link.h"
#include "proxy_wasm/pairs.h"
#include "proxy_wasm/plugin.h"
#include "wasi/host_functions.h"

namespace weir {
namespace {

using proxy_wasm::Version;

// The guest's memory: 512 return pointers, 1024 strings, 4096 the dictionary, 8192 the program, 65536 the heap.
constexpr uint32_t kStrings = 1024, kProgramMax = 4096, kMemoryBytes = 131072;
constexpr size_t kWords = 64;  // of the dictionary; more than one byte in four picks a small number

std::string Escaped(std::string_view bytes) {
  std::string text;
  for (unsigned char c : bytes) {
    char hex[4];
    std::snprintf(hex, sizeof hex, "\\%02x", c);
    text += hex;
  }
  return text;
}

struct Data {
  std::string strings;
  std::vector<uint32_t> words;
};

Data MakeData() {
  Data data;
  for (uint32_t small = 0; small < 12; ++small) data.words.push_back(small);
  std::string pairs, bad;
  proxy_wasm::SerializePairs(HeaderList{{":path", "/p"}, {"x-a", "1"}, {"x-b", std::string(200, 'v')}}, &pairs);
  proxy_wasm::SerializePairs(HeaderList{{"bad\r\n", "1"}}, &bad);
  const std::string all[] = {":path", "/changed", "X-A", "value", "content-length", "request.headers.x-a", "plugin_name", "q",
                             "weir.shared_keys", pairs, bad, std::string("\xff\xff\xff\xff\0\0\0\0", 8)};
  for (const std::string& one : all) {
    data.words.push_back(kStrings + uint32_t(data.strings.size()));
    data.words.push_back(uint32_t(one.size()));
    data.strings += one;
  }
  for (uint32_t word : {16u, 200u, 403u, 512u, 516u, 514u, 1024u, 4096u, 65536u, 100'000u, kMemoryBytes - 4, kMemoryBytes - 3,
                        kMemoryBytes, 0x7fffffffu, 0x80000000u, 0xfffffffcu, 0xffffffffu})
    data.words.push_back(word);
  while (data.words.size() < kWords) data.words.push_back(uint32_t(data.words.size()));
  return data;
}

/// The guest. Its program comes in by its configuration.
std::string HostileWat(Version version) {
  std::string imports, calls, table;
  size_t count = 0;
  auto add = [&](const abi::HostFunction& row, std::string_view module) {
    const std::string id = "$i" + std::to_string(count), play = "$p" + std::to_string(count);
    std::string params, load;
    for (auto type : row.types) {
      params += type == engine::ValType::kI64 ? " i64" : " i32";
      load += type == engine::ValType::kI64 ? "(i64.extend_i32_s (call $word))" : "(call $word)";
    }
    imports += "(import \"" + std::string(module) + "\" \"" + std::string(row.name) + "\" (func " + id + " (param" + params + ")" +
               (row.results.empty() ? "" : " (result i32)") + "))\n";
    const std::string call = "(call " + id + " " + load + ")";
    calls += "(func " + play + " " + (row.results.empty() ? call : "(drop " + call + ")") + ")\n";
    table += " " + play;
    ++count;
  };
  std::string_view last;
  for (const abi::HostFunction& row : proxy_wasm::HostFunctions()) {
    if ((row.versions & uint8_t(version)) == 0) continue;
    if (row.name == last && !row.results.empty()) continue;
    last = row.name;
    add(row, proxy_wasm::kModule);
  }
  for (const abi::HostFunction& row : wasi::HostFunctions()) add(row, wasi::kModule);
  const Data data = MakeData();
  std::string words;
  for (uint32_t word : data.words) words.append(reinterpret_cast<const char*>(&word), 4);
  std::string text = "(module\n" + imports +
                     "(memory (export \"memory\") 2)\n"
                     "(global $pc (mut i32) (i32.const 0)) (global $end (mut i32) (i32.const 64))"
                     "(global $heap (mut i32) (i32.const 65536))\n"
                     "(func (export \"proxy_abi_version_" +
                     std::string(version == Version::k0_1_0 ? "0_1_0" : "0_2_1") +
                     "\"))\n"
                     // the next byte of the program; it begins again at its end
                     "(func $byte (result i32) (if (i32.ge_u (global.get $pc) (global.get $end)) (then (global.set $pc (i32.const 0))))"
                     "(i32.load8_u offset=8192 (global.get $pc)) (global.set $pc (i32.add (global.get $pc) (i32.const 1))))\n"
                     "(func $word (result i32) (i32.load offset=4096 (i32.shl (i32.and (call $byte) (i32.const 63)) (i32.const 2))))\n" +
                     calls + "(table " + std::to_string(count) + " funcref) (elem (i32.const 0)" + table + ")\n(type $v (func))\n" +
                     "(func $one (call_indirect (type $v) (i32.rem_u (call $byte) (i32.const " + std::to_string(count) + "))))\n"
                     // up to 7 calls; now and then more memory, and rarely a trap
                     "(func $play (result i32) (local $n i32) (local.set $n (i32.and (call $byte) (i32.const 7)))"
                     "(loop $l (if (local.get $n) (then (call $one) (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br $l))))"
                     "(local.set $n (call $byte))"
                     "(if (i32.eq (local.get $n) (i32.const 77)) (then unreachable))"
                     "(if (i32.eq (local.get $n) (i32.const 78)) (then (drop (memory.grow (i32.const 1)))))"
                     "(i32.lt_u (local.get $n) (i32.const 100)))\n"
                     "(func (export \"proxy_on_memory_allocate\") (param i32) (result i32) (local $mode i32)"
                     "(local.set $mode (call $byte))"
                     "(if (i32.eq (local.get $mode) (i32.const 1)) (then (return (i32.const 0))))"
                     "(if (i32.eq (local.get $mode) (i32.const 2)) (then (return (i32.const -1))))"
                     "(if (i32.eq (local.get $mode) (i32.const 3)) (then unreachable))"
                     "(if (i32.eq (local.get $mode) (i32.const 4)) (then (return (i32.const 512))))"
                     "(if (i32.lt_u (local.get $mode) (i32.const 60)) (then (call $one)))"
                     "(if (i32.lt_u (local.get $mode) (i32.const 70))"
                     "(then (return (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))))"
                     "(if (i32.gt_u (i32.add (global.get $heap) (local.get 0)) (i32.const 131072)) (then (global.set $heap (i32.const 65536))))"
                     "(global.get $heap) (global.set $heap (i32.add (global.get $heap) (local.get 0))))\n";
  for (const proxy_wasm::CallbackRow& row : proxy_wasm::kCallbackRows) {
    const bool start = row.id == proxy_wasm::Callback::kOnVmStart || row.id == proxy_wasm::Callback::kOnConfigure;
    text += "(func (export \"" + std::string(row.name) + "\") (param";
    for (size_t i = 0; i < row.count(); ++i) text += " i32";
    text += ")" + std::string(row.result ? " (result i32)" : "");
    if (row.id == proxy_wasm::Callback::kOnVmStart) {  // the program: by the heap, and from there to its place
      text += "(drop (call $program (i32.const 6) (i32.const 0) (i32.const -1) (i32.const 512) (i32.const 516)))"
              "(if (i32.and (i32.ne (i32.load (i32.const 516)) (i32.const 0)) (i32.le_u (i32.load (i32.const 516)) (i32.const 4096))) (then"
              "(memory.copy (i32.const 8192) (i32.load (i32.const 512)) (i32.load (i32.const 516)))"
              "(global.set $end (i32.load (i32.const 516)))))";
    }
    text += start ? "(drop (call $play)) (i32.const 1)" : row.result ? "(call $play)" : "(drop (call $play))";
    text += ")\n";
  }
  // The program's bytes before it is there are 255: the allocator is well-behaved then.
  const size_t at = text.find("(memory");
  text.insert(at, "(import \"env\" \"proxy_get_buffer_bytes\" (func $program (param i32 i32 i32 i32 i32) (result i32)))\n");
  return text + "(data (i32.const 1024) \"" + Escaped(data.strings) + "\") (data (i32.const 4096) \"" + Escaped(words) +
         "\") (data (i32.const 8192) \"" + Escaped(std::string(64, '\xff')) + "\"))";
}

struct Bytes {
  std::string_view left;
  uint8_t Next() {
    if (left.empty()) return 0;
    const uint8_t byte = uint8_t(left[0]);
    left.remove_prefix(1);
    return byte;
  }
};

/// One engine and the two guests of a program.
struct Guests {
  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Module> modules[2];
  static Guests& Get() {
    static Guests guests = [] {
      Guests made;
      EngineOptions options;
      options.pooling = false;
      made.engine = std::move(*Engine::Create(options));
      const Version versions[] = {Version::k0_2_1, Version::k0_1_0};
      for (size_t i = 0; i < 2; ++i) {
        auto wasm = engine::WatToWasm(HostileWat(versions[i]));
        if (!wasm) std::fprintf(stderr, "%s\n", wasm.error().message.c_str()), std::abort();
        auto module = made.engine->Compile(*wasm, "hostile.wasm");
        if (!module) std::fprintf(stderr, "%s\n", module.error().message.c_str()), std::abort();
        made.modules[i] = *std::move(module);
      }
      return made;
    }();
    return guests;
  }
};

/// A stream's next legal event.
struct Play {
  std::unique_ptr<MemoryStream> stream;
  int request = 0, response = 0;

  void Advance(Bytes& bytes) {
    if (stream->reset()) return;
    const uint8_t byte = bytes.Next();
    if (request < 2 && !stream->local()) return Feed(Direction::kRequest, &request, byte);
    if (stream->local() || !stream->request_over()) return;
    if (response == 0) {
      stream->ForwardRequest();
      stream->StartResponse({.headers = ResponseHeaders(200, {{"content-length", "3"}})});
    }
    if (response < 2) Feed(Direction::kResponse, &response, byte);
  }
  void Feed(Direction direction, int* phase, uint8_t byte) {
    const EndOfStream end = (byte & 3) == 0 ? EndOfStream::kYes : EndOfStream::kNo;
    if (*phase == 0) {
      *phase = end == EndOfStream::kYes ? 2 : 1;
      stream->FeedHeaders(direction, end);
    } else if ((byte & 15) == 1) {
      *phase = 2;
      stream->FeedTrailers(direction);
    } else {
      if (end == EndOfStream::kYes) *phase = 2;
      stream->FeedBody(direction, std::string(byte * 16u, 'b'), end);
    }
  }
};

struct Played {
  uint64_t streams = 0, failures = 0;
};

Played PlayProgram(std::string_view input) {
  Played played;
  MemoryHost world;
  world.set_tracing(false);
  Bytes bytes{input.substr(0, input.size() / 2)};
  std::string program(input.substr(input.size() / 2, kProgramMax));
  const uint8_t mode = bytes.Next();
  std::vector<std::unique_ptr<Plugin>> plugins;
  for (size_t i = 0; i < 2; ++i) {
    PluginSpec spec;
    spec.name = i == 0 ? "a" : "b";
    spec.vm_id = (mode & 1) != 0 ? "shared" : "";
    spec.vm_configuration = program;
    spec.configuration = "configuration";
    spec.statuses = (mode & 2) != 0 ? Statuses::kStrict : Statuses::kLenient;
    spec.on_error = (mode & (4 << i)) != 0 ? OnError::kOpen : OnError::kClosed;
    spec.header_pause = (mode & 16) != 0 ? HeaderPause::kHeadersOnly : HeaderPause::kStream;
    spec.on_buffer_full = (mode & 32) != 0 ? OnBufferFull::kRelease : OnBufferFull::kReject;
    spec.limits.body_bytes = 8192;
    spec.limits.memory_bytes = 1 << 20;
    spec.limits.contexts = 8;
    spec.limits.restarts_burst = 1000;
    spec.environment = {{"A", "b"}};
    const bool old = (mode & (64 << i)) != 0;
    auto plugin = proxy_wasm::ProxyWasmPlugin::Load(*Guests::Get().engine, Guests::Get().modules[old ? 1 : 0],
                                                    old ? Version::k0_1_0 : Version::k0_2_1, spec, world.host());
    if (!plugin) continue;  // it trapped in its start
    plugins.push_back(*std::move(plugin));
  }
  if (plugins.empty()) return played;
  std::vector<Plugin*> chain;
  for (size_t i = 0; i < 3; ++i) chain.push_back(plugins[i % plugins.size()].get());
  {
    std::vector<Play> plays(3);
    while (!bytes.left.empty()) {
      const uint8_t what = bytes.Next();
      Play& play = plays[what % plays.size()];
      if (!play.stream) {
        play = {std::make_unique<MemoryStream>(world, chain, HttpMessage{.headers = RequestHeaders("POST", "/p?q", {{"x-a", "0"}})})};
      } else if (what < 160) {
        play.Advance(bytes);
      } else if (what < 190) {
        play.stream->Pump();
      } else if (what < 220) {
        world.Step(1000);
      } else if (what < 240) {
        play.stream->Finish();
        play = {};
      } else {
        play = {};
      }
    }
  }
  for (int i = 0; i < 20 && world.Step(100'000); ++i) {
  }
  for (const auto& plugin : plugins) {
    played.streams += plugin->stats().streams;
    played.failures += plugin->stats().failures;
  }
  plugins.clear();
  while (world.Step(UINT32_MAX)) std::abort();  // something still calls a plugin that is gone
  return played;
}

}  // namespace
}  // namespace weir

#ifdef WEIR_FUZZER
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weir::PlayProgram({reinterpret_cast<const char*>(data), size});
  return 0;
}
#else
#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(HostilePlugin, RandomPrograms) {
  Played all;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string input(256 + random() % 1024, '\0');
    for (char& c : input) c = char(random());
    const Played played = PlayProgram(input);
    all.streams += played.streams;
    all.failures += played.failures;
  }
  EXPECT_GT(all.streams, 5000u);  // the guests did play
  EXPECT_GT(all.failures, 500u);
}

}  // namespace
}  // namespace weir
#endif
