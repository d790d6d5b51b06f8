#include "trace/record.h"

#include <algorithm>
#include <iterator>

namespace weir::trace {
namespace {

constexpr std::string_view kEffects[] = {
    "add",          "cancel",        "clear_route_cache", "dequeue",        "enqueue",    "fail",          "grpc_call",  "grpc_close_send",
    "grpc_send",    "http_call",     "local_response",    "log",            "metric_add", "metric_define", "metric_record",
    "queue_register", "remove",      "replace",           "replace_body",   "reset",      "resume",        "set_property",
    "shared_delete", "shared_set",   "shared_ttl",        "tick_every",
};

/// Where lists of strings have pairs of a header's name and value: from `first` to their end.
struct Pairs {
  std::string_view list;
  size_t first;
};
constexpr Pairs kPairs[] = {
    // what is given
    {"request_headers", 1}, {"request_trailers", 1}, {"response_headers", 1}, {"response_trailers", 1},
    // calls, with their word before it
    {"add", 2}, {"replace", 2}, {"local_response", 5}, {"http_call", 4}, {"grpc_call", 6},
    // arguments of events
    {"http_answer", 4}, {"grpc_metadata", 1}, {"grpc_trailers", 1}};
size_t PairsOf(std::string_view list) {
  const auto found = std::find_if(std::begin(kPairs), std::end(kPairs), [&](const Pairs& row) { return row.list == list; });
  return found != std::end(kPairs) ? found->first : std::string_view::npos;
}
/// Answers that are a map.
size_t AnswerPairs(const Call& call) { return call.words[0] == "map" ? 0 : std::string_view::npos; }
bool IsName(size_t i, size_t pairs) { return i >= pairs && (i - pairs) % 2 == 0; }

// A part of a secret that is shorter would be found everywhere.
constexpr size_t kWholeLeast = 4, kPartLeast = 8;
constexpr std::string_view kBetweenParts = " \t;,=\"&";
constexpr size_t kPerString = 32;  // what a string takes beside its bytes

class Writer {
 public:
  void Text(std::string_view text) {
    out_ += '"';
    for (const char c : text) Put(static_cast<unsigned char>(c));
    out_ += '"';
  }
  void Key(std::string_view key) {
    Next();
    out_.append("\"").append(key).append("\":");
    first_ = true;
  }
  void Field(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    Key(key);
    Text(value);
    first_ = false;
  }
  void Number(std::string_view key, uint64_t value) {
    Key(key);
    out_ += std::to_string(value);
    first_ = false;
  }
  void List(const Strings& strings) {
    Open('[');
    for (const std::string& text : strings) {
      Next();
      Text(text);
    }
    Close(']');
  }
  void FieldList(std::string_view key, const Strings& strings) {
    if (strings.empty()) return;
    Key(key);
    List(strings);
  }
  void Open(char bracket) {
    out_ += bracket;
    first_ = true;
  }
  void Close(char bracket) {
    out_ += bracket;
    first_ = false;
  }
  void Next() {
    if (!first_) out_ += ',';
    first_ = false;
  }
  std::string text() && { return std::move(out_); }

 private:
  void Put(unsigned char c) {
    if (c == '"' || c == '\\') {
      out_.append(1, '\\').append(1, static_cast<char>(c));
    } else if (c >= 0x20 && c < 0x7f) {
      out_ += static_cast<char>(c);
    } else {
      constexpr std::string_view kHex = "0123456789abcdef";
      out_.append("\\u00").append(1, kHex[c >> 4]).append(1, kHex[c & 15]);
    }
  }
  std::string out_;
  bool first_ = true;
};

void WriteLists(Writer& out, std::string_view key, const std::vector<Strings>& lists) {
  if (lists.empty()) return;
  out.Key(key);
  out.Open('[');
  for (const Strings& list : lists) {
    out.Next();
    out.List(list);
  }
  out.Close(']');
}

void WriteEvent(Writer& out, const Event& event) {
  out.Open('{');
  out.Number("n", event.number);
  out.Field("on", event.name);
  out.FieldList("args", event.args);
  WriteLists(out, "given", event.given);
  if (!event.calls.empty()) {
    out.Key("calls");
    out.Open('[');
    for (const Call& call : event.calls) {
      out.Next();
      out.Open('{');
      out.FieldList("do", call.words);
      out.FieldList("answer", call.answer);
      out.Field("stream", call.stream);
      out.Close('}');
    }
    out.Close(']');
  }
  out.Field("result", event.result);
  out.Field("error", event.error);
  out.Close('}');
}

size_t SizeOf(const Strings& strings) {
  size_t bytes = sizeof(Strings);
  for (const std::string& text : strings) bytes += text.size() + kPerString;
  return bytes;
}

/// `lower` is.
bool EqualWithoutCase(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char c, char l) { return (c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c) == l; });
}

}  // namespace

bool IsEffect(std::string_view word) { return std::find(std::begin(kEffects), std::end(kEffects), word) != std::end(kEffects); }

size_t SizeOf(const Call& call) { return SizeOf(call.words) + SizeOf(call.answer) + call.stream.size() + kPerString; }

size_t SizeOf(const Event& event) {
  size_t bytes = sizeof(Event) + event.name.size() + event.error.size() + SizeOf(event.args);
  for (const Strings& list : event.given) bytes += SizeOf(list);
  for (const Call& call : event.calls) bytes += SizeOf(call);
  return bytes;
}

std::string ToLine(const Record& record) {
  Writer out;
  out.Open('{');
  out.Number("weir_trace", kFormat);
  out.Field("kind", record.kind);
  out.Field("id", record.id);
  out.Field("start", record.start);
  out.Field("plugin", record.plugin);
  out.Field("why", record.why);
  out.Field("stream", record.stream);
  out.Field("level", record.level);
  out.Number("time_ns", record.time_ns);
  out.Number("cut", record.cut ? 1 : 0);
  out.FieldList("redacted", record.redacted);
  WriteLists(out, "spec", record.spec);
  out.Key("events");
  out.Open('[');
  for (const Event& event : record.events) {
    out.Next();
    WriteEvent(out, event);
  }
  out.Close(']');
  out.Close('}');
  return std::move(out).text() + '\n';
}

bool Redaction::Hides(std::string_view name) const {
  return !name.empty() && std::any_of(names_.begin(), names_.end(), [&](const std::string& one) { return EqualWithoutCase(name, one); });
}

void Redaction::LearnFrom(const Strings& strings, size_t pairs) {
  for (size_t i = 0; i + 1 < strings.size(); ++i) {
    if (!IsName(i, pairs) || !Hides(strings[i])) continue;
    const std::string& value = strings[i + 1];
    if (value == kRedacted) continue;
    const auto keep = [&](std::string_view secret, size_t least) {
      if (secret.size() < least || std::find(secrets_.begin(), secrets_.end(), secret) != secrets_.end()) return;
      const auto at = std::find_if(secrets_.begin(), secrets_.end(), [&](const std::string& one) { return one.size() < secret.size(); });
      secrets_.insert(at, std::string(secret));
    };
    keep(value, kWholeLeast);
    for (size_t begin = 0; begin < value.size();) {
      const size_t end = std::min(value.find_first_of(kBetweenParts, begin), value.size());
      keep(std::string_view(value).substr(begin, end - begin), kPartLeast);
      begin = end + 1;
    }
  }
}

void Redaction::Learn(const Event& event) {
  if (names_.empty()) return;
  LearnFrom(event.args, PairsOf(event.name));
  for (const Strings& list : event.given) LearnFrom(list, PairsOf(list[0]));
  for (const Call& call : event.calls) {
    LearnFrom(call.words, PairsOf(call.words[0]));
    LearnFrom(call.answer, AnswerPairs(call));
  }
}

void Redaction::ApplyTo(std::string* text) const {
  for (const std::string& secret : secrets_) {
    for (size_t at = text->find(secret); at != text->npos; at = text->find(secret, at + kRedacted.size())) text->replace(at, secret.size(), kRedacted);
  }
}

void Redaction::ApplyTo(Strings* strings, size_t pairs) const {
  for (size_t i = 0; i < strings->size(); ++i) {
    if (i > 0 && IsName(i - 1, pairs) && Hides((*strings)[i - 1])) {
      (*strings)[i] = kRedacted;
    } else if (i > 0 || pairs == 0) {  // the first is the word
      ApplyTo(&(*strings)[i]);
    }
  }
}

void Redaction::Apply(Event* event) const {
  if (names_.empty()) return;
  ApplyTo(&event->args, PairsOf(event->name));
  for (Strings& list : event->given) ApplyTo(&list, PairsOf(list[0]));
  for (Call& call : event->calls) {
    ApplyTo(&call.words, PairsOf(call.words[0]));
    // An answer has no word before it.
    const size_t pairs = AnswerPairs(call);
    if (pairs == 0) {
      ApplyTo(&call.answer, pairs);
    } else {
      for (std::string& text : call.answer) ApplyTo(&text);
    }
  }
  ApplyTo(&event->error);
}

}  // namespace weir::trace
