#include "base/sha256.h"

#include <gtest/gtest.h>

#include <random>

namespace weir {
namespace {

TEST(Sha256, IsThatOfTheStandardsExamples) {
  EXPECT_EQ(Hex(Sha256({""})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256({"abc"})), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Hex(Sha256({"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"})),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256({}), Sha256({"", ""}));
}

// Every length around the blocks' borders, whole and in parts; what their digests together hash to is another implementation's.
TEST(Sha256, IsRightForEveryLength) {
  std::mt19937 random(7);
  std::string text, digests;
  for (size_t length = 0; length < 400; ++length, text.push_back(static_cast<char>((length - 1) * 7 + 3))) {
    const std::string_view whole(text);
    const Sha256Digest digest = Sha256({whole});
    const size_t first = random() % (length + 1), second = first + random() % (length - first + 1);
    EXPECT_EQ(Sha256Portable({whole}), digest) << length;
    EXPECT_EQ(Sha256({whole.substr(0, first), whole.substr(first, second - first), whole.substr(second)}), digest) << length;
    digests.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  }
  EXPECT_EQ(Hex(Sha256({digests})), "feb329aeacf6bfc44e1b83200e62da6c14d5e5dcede17c879ddc58563a2c5311");
}

}  // namespace
}  // namespace weir
