// Pieces of requests and responses: header values, paths, bodies. What a proxy lets in, and rarely more ordinary than it must.
#pragma once

#include <span>
#include <string>

#include "fuzz/behaviour.h"
#include "fuzz/random.h"
#include "fuzz/words.h"

namespace weir::fuzz {

/// What is known of a plugin: read by many, changed between rounds.
struct Knowledge {
  Words words;
  Asked asked;
  bool tcp = false;                                   ///< connections, in place of requests
  bool request_body = true, response_body = true;     ///< has those callbacks
  bool request_trailers = true, response_trailers = true;
  size_t body_bytes_max = 64 << 10;
};

inline constexpr size_t kValueBytesMax = 8 << 10;  ///< of a header: what NGINX takes

class Values {
 public:
  Values(const Knowledge& known, Random& random) : known_(known), random_(random) {}
  std::string Word();
  std::string Number();
  /// Of a header, a property, shared data. No NUL, CR, LF.
  std::string Value();
  std::string HeaderName(const std::set<std::string>& asked);
  /// A value that goes with that name, or any.
  std::string ValueFor(const std::string& name);
  std::string Path();
  std::string Body();
  /// Some bytes of `text` otherwise.
  void Change(std::string* text);
  uint32_t Milliseconds();

 private:
  std::string Printable(size_t size);
  std::string Bytes(size_t size);
  std::string Json(int depth);
  std::string Joined(std::string_view separators);
  std::string Long(std::string seed, size_t bytes_max);
  size_t Length(size_t most);

  const Knowledge& known_;
  Random& random_;
};

/// So that it can be a header's value.
void MakeValue(std::string* value);

}  // namespace weir::fuzz
