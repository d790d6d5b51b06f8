// What the tests of the C++ SDK check, on the C API: a manifest with a file, one with an address, a bad one, bytes, configuration,
// which functions there are, a host function, several threads.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "capi/extism.h"
#include "capi/testing/modules.h"

namespace {

struct Free {
  void operator()(ExtismPlugin* plugin) const { extism_plugin_free(plugin); }
  void operator()(ExtismFunction* function) const { extism_function_free(function); }
};
using PluginPtr = std::unique_ptr<ExtismPlugin, Free>;
using FunctionPtr = std::unique_ptr<ExtismFunction, Free>;

const uint8_t* Bytes(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

/// The plugin, or null and why.
std::pair<PluginPtr, std::string> New(std::string_view source, std::vector<const ExtismFunction*> functions = {}) {
  char* message = nullptr;
  PluginPtr plugin(extism_plugin_new(Bytes(source), source.size(), functions.data(), functions.size(), true, &message));
  std::string why = message == nullptr ? "" : message;
  extism_plugin_new_error_free(message);
  return {std::move(plugin), why};
}

std::string Call(ExtismPlugin* plugin, const char* function, std::string_view input) {
  if (extism_plugin_call(plugin, function, Bytes(input), input.size()) != 0) {
    const char* error = extism_plugin_error(plugin);
    return std::string("error: ") + (error == nullptr ? "without a text" : error);
  }
  const uint8_t* output = extism_plugin_output_data(plugin);
  return std::string(output, output + extism_plugin_output_length(plugin));
}

TEST(Sdk, ManifestWithAPathAndConfiguration) {
  const auto path = std::filesystem::temp_directory_path() / ("weir-capi-" + std::to_string(getpid()) + ".wat");
  std::ofstream(path) << kModule;
  const auto [plugin, why] = New("{\"wasm\":[{\"path\":\"" + path.string() + "\"}],\"config\":{\"a\":\"1\"}}");
  std::filesystem::remove(path);
  ASSERT_NE(plugin, nullptr) << why;
  EXPECT_EQ(Call(plugin.get(), "count_vowels", "this is a test"), "4");
  EXPECT_EQ(Call(plugin.get(), "config", "a"), "1");
}

/// Answers one HTTP request with the module, and ends.
class OneAnswer {
 public:
  OneAnswer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Answer(); });
  }
  ~OneAnswer() {
    shutdown(listener_, SHUT_RDWR);  // ends the wait where nobody asked
    thread_.join();
    close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/module.wat"; }

 private:
  void Answer() {
    const int client = accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    std::string request;
    char piece[1024];
    while (request.find("\r\n\r\n") == request.npos) {
      const ssize_t got = read(client, piece, sizeof piece);
      if (got <= 0) break;
      request.append(piece, static_cast<size_t>(got));
    }
    const std::string answer =
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: " + std::to_string(std::strlen(kModule)) + "\r\n\r\n" + kModule;
    EXPECT_EQ(send(client, answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
    close(client);
  }
  const int listener_;
  uint16_t port_ = 0;
  std::thread thread_;
};

TEST(Sdk, ManifestWithAnAddress) {
  OneAnswer server;
  const auto [plugin, why] = New("{\"wasm\":[{\"url\":\"" + server.url() + "\"}]}");
  ASSERT_NE(plugin, nullptr) << why;
  EXPECT_EQ(Call(plugin.get(), "count_vowels", "this is another test"), "6");
}

TEST(Sdk, BadManifestHasAMessage) {
  const auto [plugin, why] = New("{\"wasm\":null}");
  EXPECT_EQ(plugin, nullptr);
  EXPECT_NE(why, "");
}

TEST(Sdk, Bytes) {
  const auto [plugin, why] = New(kModule);
  ASSERT_NE(plugin, nullptr) << why;
  EXPECT_EQ(Call(plugin.get(), "count_vowels", "this is another test"), "6");
}

TEST(Sdk, UpdatesConfiguration) {
  const auto [plugin, why] = New(kModule);
  ASSERT_NE(plugin, nullptr) << why;
  const std::string_view json = "{\"abc\":\"123\"}";
  EXPECT_TRUE(extism_plugin_config(plugin.get(), Bytes(json), json.size()));
  EXPECT_EQ(Call(plugin.get(), "config", "abc"), "123");
}

TEST(Sdk, FunctionExists) {
  const auto [plugin, why] = New(kModule);
  ASSERT_NE(plugin, nullptr) << why;
  EXPECT_FALSE(extism_plugin_function_exists(plugin.get(), "bad_function"));
  EXPECT_TRUE(extism_plugin_function_exists(plugin.get(), "count_vowels"));
}

void Answer(ExtismCurrentPlugin* plugin, const ExtismVal*, ExtismSize, ExtismVal* out, ExtismSize, void* data) {
  const auto* text = static_cast<const char*>(data);
  out[0].v.i64 = static_cast<int64_t>(extism_current_plugin_memory_alloc(plugin, std::strlen(text)));
  std::memcpy(extism_current_plugin_memory(plugin) + out[0].v.i64, text, std::strlen(text));
}

FunctionPtr HelloWorld(const char* answer) {
  const ExtismValType pointer[] = {EXTISM_PTR};
  return FunctionPtr(extism_function_new("hello_world", pointer, 1, pointer, 1, Answer, const_cast<char*>(answer), nullptr));
}

TEST(Sdk, HostFunction) {
  const auto hello = HelloWorld("test");
  const auto [plugin, why] = New(kHelloModule, {hello.get()});
  ASSERT_NE(plugin, nullptr) << why;
  EXPECT_EQ(Call(plugin.get(), "run", "aaa"), "test");
}

// As there: the calls wait for each other. (Each thread's output is read between the calls of others, who write the same.)
TEST(Sdk, SeveralThreads) {
  const auto hello = HelloWorld("testing123");
  const auto [plugin, why] = New(kHelloModule, {hello.get()});
  ASSERT_NE(plugin, nullptr) << why;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&plugin = plugin] {
      for (int call = 0; call < 50; ++call) {
        EXPECT_EQ(extism_plugin_call(plugin.get(), "run", Bytes("aaa"), 3), 0);
        EXPECT_EQ(extism_plugin_output_length(plugin.get()), 10u);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(Call(plugin.get(), "run", "aaa"), "testing123");
}

}  // namespace
