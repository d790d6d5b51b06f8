// The example of docs/extism.md, as a program: pool_example PLUGIN.wasm. tests/extism/example_test.py runs it.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "weir/engine.h"
#include "weir/extism_pool.h"

using namespace weir;
using namespace weir::extism;

// begin
// A proxy's threads call one plugin: a fresh one for each request, the request's body from where it is.
Result<std::string> Handle(Pool& pool, std::span<const std::string_view> body) {
  WEIR_TRY(const Lease plugin, pool.Take());                                       // waits, at most PoolOptions::wait_ms
  WEIR_TRY(const std::string_view answer, plugin->Call("handle", Input::Gather(body)));
  return std::string(answer);                                                      // the view ends with the lease
}

// What comes from a descriptor goes straight into the plugin's memory, and the output straight out of it.
Result<void> Filter(Pool& pool, int from, int to) {
  WEIR_TRY(const Lease plugin, pool.Take());
  const auto read_some = [from](std::span<uint8_t> room) -> Result<size_t> {
    const ssize_t got = read(from, room.data(), room.size());
    if (got < 0) return Error{ErrorCode::kIo, std::strerror(errno)};               // then "handle" is not called
    return static_cast<size_t>(got);                                               // 0: that was all
  };
  WEIR_TRY(const std::string_view answer, plugin->Call("handle", Input::Stream(read_some, 64 << 20)));
  return write(to, answer.data(), answer.size()) < 0 ? Result<void>(Error{ErrorCode::kIo, std::strerror(errno)}) : Result<void>();
}

Result<void> Serve(std::string_view wasm, size_t threads) {
  WEIR_TRY(auto runtime, Runtime::Create());
  WEIR_TRY(auto compiled, runtime->Compile(wasm, {.slots = 8}));                   // memory for eight, set aside
  WEIR_TRY(auto pool, Pool::Create(compiled, {.plugins_max = 8, .wait_ms = 5000, .begin = Begin::kFresh}));
  std::vector<std::thread> workers;
  for (size_t i = 0; i < threads; ++i) {
    workers.emplace_back([&pool] {
      const std::string_view body[] = {"two ", "buffers"};
      const auto answer = Handle(*pool, body);
      std::fprintf(stderr, "%s\n", answer ? answer->c_str() : answer.error().message.c_str());
    });
  }
  for (std::thread& worker : workers) worker.join();
  return Filter(*pool, STDIN_FILENO, STDOUT_FILENO);
}
// end

int main(int argc, char** argv) {
  const auto wasm = argc < 2 ? Result<std::string>(Error{ErrorCode::kInvalidArgument, "usage: pool_example PLUGIN.wasm"}) : ReadFile(argv[1]);
  const auto done = wasm ? Serve(*wasm, 4) : Result<void>(wasm.error());
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
