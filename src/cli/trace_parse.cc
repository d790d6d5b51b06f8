// Lines of a trace file.
#include <boost/json.hpp>

#include "cli/trace.h"

// Boost.JSON throws where it is asked for what is not there: ParseTrace catches all of it.
namespace weir::cli {
namespace {

namespace json = boost::json;
using trace::Call;
using trace::Event;
using trace::Record;
using trace::Strings;

/// Of a string whose characters are bytes.
std::string Bytes(const json::value& value) {
  const json::string& text = value.as_string();
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      bytes += static_cast<char>(c);
    } else if ((c == 0xc2 || c == 0xc3) && i + 1 < text.size()) {
      bytes += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    } else {
      throw std::runtime_error("a character that is no byte");
    }
  }
  return bytes;
}

Strings List(const json::value& value) {
  Strings list;
  for (const json::value& one : value.as_array()) list.push_back(Bytes(one));
  return list;
}

std::vector<Strings> Lists(const json::value& value) {
  std::vector<Strings> lists;
  for (const json::value& one : value.as_array()) {
    lists.push_back(List(one));
    if (lists.back().empty()) throw std::runtime_error("an empty list");
  }
  return lists;
}

Call CallOf(const json::object& object) {
  Call call;
  for (const auto& [key, value] : object) {
    if (key == "do") call.words = List(value);
    if (key == "answer") call.answer = List(value);
    if (key == "stream") call.stream = Bytes(value);
  }
  if (call.words.empty()) throw std::runtime_error("a call without words");
  return call;
}

Event EventOf(const json::object& object) {
  Event event;
  for (const auto& [key, value] : object) {
    if (key == "n") event.number = value.to_number<uint64_t>();
    if (key == "on") event.name = Bytes(value);
    if (key == "args") event.args = List(value);
    if (key == "given") event.given = Lists(value);
    if (key == "result") event.result = Bytes(value);
    if (key == "error") event.error = Bytes(value);
    if (key == "calls") {
      for (const json::value& call : value.as_array()) event.calls.push_back(CallOf(call.as_object()));
    }
  }
  if (event.name.empty() || event.number == 0) throw std::runtime_error("an event without name or number");
  return event;
}

Record RecordOf(const json::object& object) {
  const json::value* format = object.if_contains("weir_trace");
  if (format == nullptr) throw std::runtime_error("it is no record of Weir");
  if (*format != trace::kFormat) {
    throw std::runtime_error("its format is " + json::serialize(*format) + ", and this version of Weir reads " + std::to_string(trace::kFormat));
  }
  Record record;
  for (const auto& [key, value] : object) {
    if (key == "kind") record.kind = Bytes(value);
    if (key == "id") record.id = Bytes(value);
    if (key == "start") record.start = Bytes(value);
    if (key == "plugin") record.plugin = Bytes(value);
    if (key == "why") record.why = Bytes(value);
    if (key == "stream") record.stream = Bytes(value);
    if (key == "level") record.level = Bytes(value);
    if (key == "time_ns") record.time_ns = value.to_number<uint64_t>();
    if (key == "cut") record.cut = value.to_number<int>() != 0;
    if (key == "redacted") record.redacted = List(value);
    if (key == "spec") record.spec = Lists(value);
    if (key == "events") {
      for (const json::value& event : value.as_array()) record.events.push_back(EventOf(event.as_object()));
    }
  }
  if (record.kind != "start" && record.kind != "more" && record.kind != "http") throw std::runtime_error("its kind is \"" + record.kind + "\"");
  if (record.plugin.empty() || record.id.empty() || record.start.empty()) throw std::runtime_error("it names no plugin, id or start");
  return record;
}

}  // namespace

Result<std::vector<Record>> ParseTrace(const std::string& text, const std::string& name, std::vector<std::string>* problems) {
  std::vector<Record> records;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    try {
      records.push_back(RecordOf(json::parse(json::string_view(line.data(), line.size())).as_object()));
    } catch (const std::exception& fault) {
      problems->push_back(name + ":" + std::to_string(number) + ": " + fault.what() + (end == text.size() ? " (the line broke off)" : ""));
    }
  }
  if (records.empty()) {
    return Error{ErrorCode::kInvalidArgument, problems->empty() ? name + ": nothing is recorded in it" : problems->front() + "; is it a file that weir_record wrote?"};
  }
  return records;
}

}  // namespace weir::cli
