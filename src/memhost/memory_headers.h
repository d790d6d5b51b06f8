// A header map that is a vector.
#pragma once

#include "weir/http.h"

namespace weir {

/// "GET", "/x" … in one list: what a message starts with.
HeaderList RequestHeaders(std::string_view method, std::string_view path, HeaderList more = {});
HeaderList ResponseHeaders(uint32_t status, HeaderList more = {});

/// All values of `name` in order, joined with ", "; nullopt: there is none.
std::optional<std::string> JoinedValues(const HeaderList& headers, std::string_view name);

/// The rules of HeaderMap over a list that somebody else owns. `name`s are lower case.
class MemoryHeaders final : public HeaderMap {
 public:
  enum class Pseudo : uint8_t { kRequest, kResponse, kNone };
  MemoryHeaders(HeaderList& list, Pseudo pseudo) : list_(list), pseudo_(pseudo) {}
  size_t Find(std::string_view name, std::string_view* out, size_t max) const override;
  void ForEach(Visitor& visitor) const override;
  size_t size() const override { return list_.size(); }
  bool Add(std::string_view name, std::string_view value) override;
  bool Replace(std::string_view name, std::string_view value) override;
  bool Remove(std::string_view name) override;

  /// Keeps the list as it is now; Rewind() brings it back, cheaply when headers were only added.
  void Mark();
  void Rewind();

 private:
  bool IsWritablePseudo(std::string_view name) const;
  HeaderList& list_;
  Pseudo pseudo_;
  HeaderList marked_;
  bool edited_ = false;  ///< since Mark(), other than by adding at the end
};

}  // namespace weir
