// YAML into the same messages, by reflection: a mapping is a message, a sequence a repeated field, a scalar the rest.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <charconv>

#include "base/nearest_name.h"
#include "host/grpc_wire.h"
#include "suite/read.h"

// yaml-cpp throws, and so does this file inside: ParseYaml catches all of it.
namespace weir::suite {
namespace {

namespace gp = google::protobuf;
using Field = gp::FieldDescriptor;

constexpr std::string_view kBinaryTag = "tag:yaml.org,2002:binary";
constexpr int kDepthMax = 64;  // aliases may make a document that has no end

struct Fault {
  YAML::Mark mark;
  std::string message;
};

class Reader {
 public:
  void Read(const YAML::Node& node, gp::Message* message, int depth = 0) {
    const gp::Descriptor& type = *message->GetDescriptor();
    if (depth > kDepthMax) throw Fault{node.Mark(), "nested too deep"};
    if (node.IsNull()) return;
    if (!node.IsMap()) throw Fault{node.Mark(), type.name() + " is a mapping" + NearField(type, "")};
    for (const auto& pair : node) {
      const YAML::Node &key = pair.first, &value = pair.second;
      if (!key.IsScalar()) throw Fault{key.Mark(), "a key is a name"};
      const std::string name = key.Scalar();
      const Field* field = type.FindFieldByName(name);
      if (field == nullptr) throw Fault{key.Mark(), type.name() + " has no field \"" + name + "\"" + NearField(type, name)};
      const gp::Reflection& reflection = *message->GetReflection();
      const bool again = field->is_repeated() ? reflection.FieldSize(*message, field) > 0 : field->has_presence() && reflection.HasField(*message, field);
      if (again) throw Fault{key.Mark(), "\"" + name + "\" is there twice"};
      if (const gp::OneofDescriptor* oneof = field->real_containing_oneof(); oneof != nullptr && reflection.HasOneof(*message, oneof))
        throw Fault{key.Mark(), "\"" + name + "\" excludes \"" + reflection.GetOneofFieldDescriptor(*message, oneof)->name() + "\": keep one"};
      ReadField(value, message, *field, depth);
    }
  }

 private:
  void ReadField(const YAML::Node& value, gp::Message* message, const Field& field, int depth) {
    const gp::Reflection& reflection = *message->GetReflection();
    const bool is_message = field.cpp_type() == Field::CPPTYPE_MESSAGE;
    if (!field.is_repeated()) {
      if (is_message) return Read(value, reflection.MutableMessage(message, &field), depth + 1);
      return Scalar(value, message, field);
    }
    if (value.IsNull()) return;
    if (!value.IsSequence()) throw Fault{value.Mark(), "\"" + field.name() + "\" is a sequence, also of one: begin its items with \"- \""};
    for (const YAML::Node& item : value) {
      if (is_message) {
        Read(item, reflection.AddMessage(message, &field), depth + 1);
      } else {
        Scalar(item, message, field);
      }
    }
  }

  template <class Number>
  Number Parse(const YAML::Node& node, const Field& field) {
    const std::string& text = node.Scalar();
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
      throw Fault{node.Mark(), "\"" + field.name() + "\" is a number of type " + field.cpp_type_name() + ", not \"" + text + "\""};
    return number;
  }

  /// Bytes that are no text: !!binary, in base64.
  static std::string Binary(const YAML::Node& node) {
    auto bytes = DecodeBase64(node.Scalar());
    if (!bytes) throw Fault{node.Mark(), "!!binary is followed by base64"};
    return *std::move(bytes);
  }

  void Scalar(const YAML::Node& node, gp::Message* message, const Field& field) {
    if (!node.IsScalar() && !node.IsNull()) throw Fault{node.Mark(), "\"" + field.name() + "\" is one value"};
    const gp::Reflection& to = *message->GetReflection();
    const bool many = field.is_repeated();
    const auto put = [&](auto set, auto add, auto value) { many ? (to.*add)(message, &field, value) : (to.*set)(message, &field, value); };
    using R = gp::Reflection;
    switch (field.cpp_type()) {
      case Field::CPPTYPE_STRING: {
        const std::string text = node.IsNull() ? "" : node.Tag() == kBinaryTag ? Binary(node) : node.Scalar();
        many ? to.AddString(message, &field, text) : to.SetString(message, &field, text);
        return;
      }
      case Field::CPPTYPE_BOOL: {
        bool flag = false;
        if (!YAML::convert<bool>::decode(node, flag)) throw Fault{node.Mark(), "\"" + field.name() + "\" is true or false"};
        return put(&R::SetBool, &R::AddBool, flag);
      }
      case Field::CPPTYPE_INT32: return put(&R::SetInt32, &R::AddInt32, Parse<int32_t>(node, field));
      case Field::CPPTYPE_INT64: return put(&R::SetInt64, &R::AddInt64, Parse<int64_t>(node, field));
      case Field::CPPTYPE_UINT32: return put(&R::SetUInt32, &R::AddUInt32, Parse<uint32_t>(node, field));
      case Field::CPPTYPE_UINT64: return put(&R::SetUInt64, &R::AddUInt64, Parse<uint64_t>(node, field));
      case Field::CPPTYPE_ENUM: return Enum(node, message, field);
      default: throw Fault{node.Mark(), "\"" + field.name() + "\" cannot be given in YAML"};
    }
  }

  void Enum(const YAML::Node& node, gp::Message* message, const Field& field) {
    const gp::EnumDescriptor& type = *field.enum_type();
    const gp::EnumValueDescriptor* value = type.FindValueByName(node.Scalar());
    int number = 0;
    const std::string& text = node.Scalar();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (value == nullptr && error == std::errc() && end == text.data() + text.size()) value = type.FindValueByNumber(number);
    if (value == nullptr) {
      std::string all;
      for (int i = 0; i < type.value_count(); ++i) all += (i == 0 ? "" : ", ") + type.value(i)->name();
      throw Fault{node.Mark(), "\"" + field.name() + "\" is one of " + all + ", not \"" + text + "\""};
    }
    message->GetReflection()->SetEnum(message, &field, value);
  }
};

Error At(const std::string& path, const YAML::Mark& mark, const std::string& message) {
  const std::string place = mark.is_null() ? "" : std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1) + ":";
  return {ErrorCode::kInvalidArgument, path + ":" + place + " " + message};
}

}  // namespace

Result<SuiteFile> ParseYaml(std::string_view text, const std::string& path) {
  SuiteFile file{.path = path};
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.empty()) return file;
    if (documents.size() > 1) return At(path, documents[1].Mark(), "a suite is one document, and this is a second one");
    Reader().Read(documents[0], &file.suite);
    if (documents[0].IsMap()) {
      for (const YAML::Node& test : documents[0]["test"]) file.lines.push_back(test.Mark().line + 1);
    }
  } catch (const Fault& fault) {
    return At(path, fault.mark, fault.message);
  } catch (const YAML::Exception& fault) {
    return At(path, fault.mark, fault.msg);
  } catch (const std::exception& fault) {
    return Error{ErrorCode::kInvalidArgument, path + ": " + fault.what()};
  }
  return file;
}

}  // namespace weir::suite
