// What a C++ program has, and the code of libextism.a too: the linker must keep the two apart. Linked in, never called.
#include <memory>
#include <string>
#include <vector>

std::string SameNames(uint64_t number) {
  const auto shared = std::make_shared<std::vector<std::string>>(1, std::to_string(number));
  shared->emplace_back("more");
  return shared->front() + shared->back();
}
