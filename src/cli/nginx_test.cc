#include "cli/nginx.h"

#include <gtest/gtest.h>

namespace weir::cli {
namespace {

const Nginx kNginx{"/usr/sbin/nginx", "1.31.5"};

TEST(ReadableErrors, LeavesOutWhatNginxPutsAround) {
  EXPECT_EQ(ReadableErrors("nginx: [emerg] weir: plugin \"auth\": no memory in /run/w/nginx.conf:12\n"
                           "nginx: configuration file /run/w/nginx.conf test failed\n",
                           kNginx, "/run/w"),
            "plugin \"auth\": no memory");
  EXPECT_EQ(ReadableErrors("2024/01/02 03:04:05 [notice] 12#12: hello\n2024/01/02 03:04:05 [emerg] 12#12: bad in /run/w/nginx.conf.next:1\n",
                           kNginx, "/run/w"),
            "bad");
}

TEST(ReadableErrors, KeepsTheLinesThatGoOn) {
  EXPECT_EQ(ReadableErrors("nginx: [emerg] plugin \"a\": trapped: unreachable\n  0: explode\n  1: proxy_on_vm_start\n", kNginx, "/p"),
            "plugin \"a\": trapped: unreachable\n  0: explode\n  1: proxy_on_vm_start");
}

TEST(ReadableErrors, WithoutALevelSaysEverything) {
  EXPECT_EQ(ReadableErrors("Segmentation fault\n", kNginx, "/p"), "Segmentation fault");
  EXPECT_EQ(ReadableErrors("", kNginx, "/p"), "");
}

TEST(ReadableErrors, ExplainsAModuleOfAnotherNginx) {
  const std::string message = ReadableErrors(
      "nginx: [emerg] module \"/l/ngx_http_weir_module.so\" version 1022001 instead of 1031005 in /p/nginx.conf:2\n", kNginx, "/p");
  EXPECT_NE(message.find("built for NGINX 1.22.1, and /usr/sbin/nginx is NGINX 1.31.5: build the module for it"), std::string::npos) << message;
}

TEST(Warnings, AreTheLinesOfThatLevel) {
  const auto warnings = Warnings("nginx: [warn] cache is read-only in /p/nginx.conf:3\nnginx: [emerg] other\n", "/p");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0], "cache is read-only");
}

TEST(VersionOfNumber, HasThreeParts) {
  EXPECT_EQ(VersionOfNumber("1022001"), "1.22.1");
  EXPECT_EQ(VersionOfNumber("1031005"), "1.31.5");
  EXPECT_EQ(VersionOfNumber("x"), "x");
}

}  // namespace
}  // namespace weir::cli
