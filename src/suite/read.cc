#include "suite/read.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>

#include "base/nearest_name.h"
#include "weir/engine.h"

namespace weir::suite {
namespace {

namespace gp = google::protobuf;

constexpr size_t kFaultsMax = 20;
constexpr size_t kSuiteBytesMax = 64u << 20;
constexpr int kFirstOwnField = 100;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "" : slash == 0 ? "/" : path.substr(0, slash);
}

/// The text between the first two quotes after `lead`; empty: there is none.
std::string_view QuotedAfter(std::string_view text, std::string_view lead) {
  const size_t at = text.find(lead);
  if (at == text.npos) return {};
  const size_t begin = at + lead.size(), end = text.find('"', begin);
  return end == text.npos ? std::string_view() : text.substr(begin, end - begin);
}

/// What the parser says, in a person's words: the type without its package, and the nearest name.
std::string Reworded(std::string_view message) {
  constexpr std::string_view kType = "Message type \"", kField = "has no field named \"";
  const std::string_view type_name = QuotedAfter(message, kType), field = QuotedAfter(message, kField);
  if (type_name.empty() || field.empty()) return std::string(message);
  const gp::Descriptor* type = gp::DescriptorPool::generated_pool()->FindMessageTypeByName(std::string(type_name));
  if (type == nullptr) return std::string(message);
  return type->name() + " has no field \"" + std::string(field) + "\"" + NearField(*type, field);
}

class Faults final : public gp::io::ErrorCollector {
 public:
  explicit Faults(const std::string& path) : path_(path) {}
  // Lines and columns count from 0; -1: of the whole.
  void AddError(int line, int column, const std::string& message) override {
    if (count_++ >= kFaultsMax) return;
    if (!text_.empty()) text_ += '\n';
    text_ += path_ + ":" + (line < 0 ? "" : std::to_string(line + 1) + ":" + std::to_string(column + 1) + ":") + " " + Reworded(message);
  }
  void AddWarning(int, int, const std::string&) override {}
  const std::string& text() const { return text_; }

 private:
  const std::string& path_;
  std::string text_;
  size_t count_ = 0;
};

bool UsesOwn(const gp::Message& message) {
  std::vector<const gp::FieldDescriptor*> fields;
  const gp::Reflection& reflection = *message.GetReflection();
  reflection.ListFields(message, &fields);
  for (const gp::FieldDescriptor* field : fields) {
    if (field->number() >= kFirstOwnField) return true;
    if (field->cpp_type() != gp::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (UsesOwn(reflection.GetMessage(message, field))) return true;
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i)
      if (UsesOwn(reflection.GetRepeatedMessage(message, field, i))) return true;
  }
  return false;
}

}  // namespace

std::string NearField(const gp::Descriptor& type, std::string_view name) {
  std::vector<std::string_view> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  const std::string_view near = NearestName(name, names);
  if (!near.empty()) return "; did you mean " + std::string(near) + "?";
  std::string all;
  for (std::string_view known : names) all += (all.empty() ? "; it has " : ", ") + std::string(known);
  return all;
}

bool UsesExtensions(const pb::Test& test) { return UsesOwn(test); }

Result<SuiteFile> ParseText(std::string_view text, const std::string& path) {
  SuiteFile file{.path = path, .folder = FolderOf(path)};
  Faults faults(path);
  gp::TextFormat::ParseInfoTree tree;
  gp::TextFormat::Parser parser;
  parser.RecordErrorsTo(&faults);
  parser.WriteLocationsTo(&tree);
  gp::io::ArrayInputStream stream(text.data(), int(text.size()));
  if (!parser.Parse(&stream, &file.suite)) return Error{ErrorCode::kInvalidArgument, faults.text().empty() ? path + ": not a suite" : faults.text()};
  const gp::FieldDescriptor* tests = pb::TestSuite::descriptor()->FindFieldByName("test");
  for (int i = 0; i < file.suite.test_size(); ++i) file.lines.push_back(tree.GetLocation(tests, i).line + 1);
  return file;
}

Result<SuiteFile> ReadSuite(const std::string& path) {
  WEIR_TRY(const std::string text, ReadFile(path));
  if (text.size() > kSuiteBytesMax) return Error{ErrorCode::kInvalidArgument, path + ": a suite of more than 64 MiB; keep bodies in files of their own"};
  const bool yaml = path.ends_with(".yaml") || path.ends_with(".yml");
  auto file = yaml ? ParseYaml(text, path) : ParseText(text, path);
  if (file) file->folder = FolderOf(path);
  return file;
}

}  // namespace weir::suite
