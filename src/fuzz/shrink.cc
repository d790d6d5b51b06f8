#include "fuzz/shrink.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>

#include "suite/run.h"

namespace weir::fuzz {
namespace {

namespace gp = google::protobuf;
namespace pb = suite::pb;
using Field = gp::FieldDescriptor;
using Clock = std::chrono::steady_clock;

/// How the case is run, and what it expects.
bool IsKept(const Field& field) {
  constexpr std::string_view kKept[] = {"Test.name", "Test.no_trap", "Test.any_chunking", "Test.plugin", "Invocation.result", "TcpEvent.kind", "Header.key", "Upstream.name", "Property.path",
                                        "SharedValue.key", "Invocation.chunk_bytes", "Invocation.end_stream"};
  const std::string name = field.containing_type()->name() + "." + field.name();
  return std::find(std::begin(kKept), std::end(kKept), name) != std::end(kKept);
}

class Shrinker {
 public:
  Shrinker(pb::Test test, const StillFails& still, const ShrinkLimits& limits)
      : test_(std::move(test)), still_(still), runs_left_(limits.runs_max), until_(Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limits.seconds_max))) {}

  pb::Test Run() {
    do {
      changed_ = false;
      Remove(Way());
      for (const bool request : {true, false})
        for (int i = 0; i < Bodies(test_, request)->size(); ++i) Pieces(request, i);
      Simplify(Way());
    } while (changed_ && Left());
    return std::move(test_);
  }

 private:
  bool Left() const { return runs_left_ > 0 && Clock::now() < until_; }

  /// `change` to the test, and back where it then fails no more. Pointers into the test hold only when it is false.
  template <class Change>
  bool Try(Change change) {
    if (!Left()) return false;
    --runs_left_;
    pb::Test candidate = test_;
    change(candidate);
    if (!still_(candidate)) return false;
    // What was taken out has been put in again.
    if (candidate.SerializeAsString() == test_.SerializeAsString()) return false;
    test_ = std::move(candidate);
    return changed_ = true;
  }

  /// A message inside the test, by the way to it: copies of the test have it too.
  struct Way {
    std::vector<std::pair<const Field*, int>> steps;  ///< -1: not repeated
    gp::Message* In(pb::Test& test) const {
      gp::Message* at = &test;
      for (const auto& [field, index] : steps) {
        const gp::Reflection& reflection = *at->GetReflection();
        at = index < 0 ? reflection.MutableMessage(at, field) : reflection.MutableRepeatedMessage(at, field, index);
      }
      return at;
    }
    Way Then(const Field* field, int index) const {
      Way way = *this;
      way.steps.emplace_back(field, index);
      return way;
    }
  };

  static void Erase(gp::Message* message, const Field* field, int at, int count) {
    const gp::Reflection& reflection = *message->GetReflection();
    const int size = reflection.FieldSize(*message, field);
    for (int i = at; i + count < size; ++i) reflection.SwapElements(message, field, i, i + count);
    for (int i = 0; i < count; ++i) reflection.RemoveLast(message, field);
  }

  /// Whole messages first, in large parts, then what is inside those that must stay.
  void Remove(const Way& way) {
    const gp::Descriptor* type = way.In(test_)->GetDescriptor();
    for (int i = type->field_count() - 1; i >= 0; --i) {
      const Field* field = type->field(i);
      if (IsKept(*field)) continue;
      if (field->is_repeated()) {
        RemoveElements(way, field);
      } else if (Has(way, field)) {
        Try([&](pb::Test& test) {
          gp::Message* message = way.In(test);
          message->GetReflection()->ClearField(message, field);
        });
      }
    }
    for (int i = 0; i < type->field_count(); ++i) {
      const Field* field = type->field(i);
      if (IsKept(*field) || field->cpp_type() != Field::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        if (Has(way, field)) Remove(way.Then(field, -1));
        continue;
      }
      for (int j = 0; j < Size(way, field); ++j) Remove(way.Then(field, j));
    }
  }
  bool Has(const Way& way, const Field* field) {
    const gp::Message* message = way.In(test_);
    return message->GetReflection()->HasField(*message, field);
  }
  int Size(const Way& way, const Field* field) {
    const gp::Message* message = way.In(test_);
    return message->GetReflection()->FieldSize(*message, field);
  }

  void RemoveElements(const Way& way, const Field* field) {
    for (int block = Size(way, field); block > 0; block /= 2) {
      for (int at = 0; at < Size(way, field);) {
        const int count = std::min(block, Size(way, field) - at);
        if (!Try([&](pb::Test& test) { Erase(way.In(test), field, at, count); })) at += block;
      }
    }
  }

  /// Texts and numbers of everything that is left.
  void Simplify(const Way& way) {
    const gp::Descriptor* type = way.In(test_)->GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const Field* field = type->field(i);
      if (IsKept(*field)) continue;
      if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
        if (!field->is_repeated()) {
          if (Has(way, field)) Simplify(way.Then(field, -1));
        } else {
          for (int j = 0; j < Size(way, field); ++j) Simplify(way.Then(field, j));
        }
        continue;
      }
      if (field->is_repeated() || !Has(way, field)) continue;
      switch (field->cpp_type()) {
        case Field::CPPTYPE_STRING: Text(way, field); break;
        case Field::CPPTYPE_UINT32: Number(way, field, &gp::Reflection::GetUInt32, &gp::Reflection::SetUInt32); break;
        case Field::CPPTYPE_UINT64: Number(way, field, &gp::Reflection::GetUInt64, &gp::Reflection::SetUInt64); break;
        default: break;
      }
    }
  }

  template <class Get, class Set>
  void Number(const Way& way, const Field* field, Get get, Set set) {
    const auto value = [&] {
      const gp::Message* message = way.In(test_);
      return (message->GetReflection()->*get)(*message, field);
    };
    const auto put = [&](uint64_t number) {
      return Try([&](pb::Test& test) {
        gp::Message* message = way.In(test);
        (message->GetReflection()->*set)(message, field, decltype(value())(number));
      });
    };
    // By halves between one that is too small and one that will do.
    uint64_t low = 0;
    while (low + 1 < value() && Left()) {
      const uint64_t middle = low + (value() - low) / 2;
      if (!put(middle)) low = middle;
    }
  }

  std::string TextOf(const Way& way, const Field* field) {
    const gp::Message* message = way.In(test_);
    return message->GetReflection()->GetString(*message, field);
  }
  bool PutText(const Way& way, const Field* field, const std::string& text) {
    return Try([&](pb::Test& test) {
      gp::Message* message = way.In(test);
      message->GetReflection()->SetString(message, field, text);
    });
  }

  void Text(const Way& way, const Field* field) {
    // Bytes of a body that is cut are taken out of its pieces, by Pieces().
    const std::string_view part = way.steps.empty() ? std::string_view() : std::string_view(way.steps.front().first->name());
    const bool body = part == "request_body" || part == "response_body";
    if (!body) Shorten(way, field);
    const std::string text = TextOf(way, field);
    constexpr size_t kPlainMax = 24;
    const std::string plain(text.size(), 'a');
    if (text != plain && !text.empty() && PutText(way, field, plain)) return;
    if (text.size() > kPlainMax) return;
    for (size_t i = 0; i < text.size(); ++i) {
      std::string next = TextOf(way, field);
      if (i >= next.size() || next[i] == 'a' || (next[i] >= '0' && next[i] <= '9')) continue;
      next[i] = 'a';
      PutText(way, field, next);
    }
  }

  void Shorten(const Way& way, const Field* field) {
    for (size_t block = TextOf(way, field).size(); block > 0; block /= 2) {
      for (size_t at = 0;;) {
        std::string text = TextOf(way, field);
        if (at >= text.size() || !Left()) break;
        text.erase(at, block);
        if (!PutText(way, field, text)) at += block;
      }
    }
  }

  /// The bytes of a body, with the places where it is cut.
  void Pieces(bool request, int index) {
    const auto in = [&](pb::Test& test) { return Bodies(test, request)->Mutable(index); };
    const auto pieces = [&] {
      const pb::Invocation& now = *in(test_);
      return suite::CutAt(now.input().content(), now.chunk_bytes());
    };
    const auto put = [&](const std::vector<std::string>& parts) {
      return Try([&](pb::Test& test) {
        pb::Invocation* to = in(test);
        to->mutable_input()->set_content(std::accumulate(parts.begin(), parts.end(), std::string()));
        to->clear_chunk_bytes();
        const size_t sizes = parts.back().empty() ? parts.size() : parts.size() - 1;
        for (size_t i = 0; i < sizes && parts.size() > 1; ++i) to->add_chunk_bytes(uint32_t(parts[i].size()));
      });
    };
    // Whole pieces away, two into one, then bytes of each.
    for (size_t i = 0; i < pieces().size() && pieces().size() > 1;) {
      auto parts = pieces();
      parts.erase(parts.begin() + ptrdiff_t(i));
      if (!put(parts)) ++i;
    }
    for (size_t i = 0; i + 1 < pieces().size();) {
      auto parts = pieces();
      parts[i] += parts[i + 1];
      parts.erase(parts.begin() + ptrdiff_t(i) + 1);
      if (!put(parts)) ++i;
    }
    for (size_t i = 0; i < pieces().size(); ++i) {
      for (size_t block = pieces()[i].size(); block > 0; block /= 2) {
        for (size_t at = 0;;) {
          auto parts = pieces();
          if (i >= parts.size() || at >= parts[i].size() || !Left()) break;
          parts[i].erase(at, block);
          if (!put(parts)) at += block;
        }
      }
    }
  }
  static gp::RepeatedPtrField<pb::Invocation>* Bodies(pb::Test& test, bool request) { return request ? test.mutable_request_body() : test.mutable_response_body(); }

  pb::Test test_;
  const StillFails& still_;
  int runs_left_;
  Clock::time_point until_;
  bool changed_ = false;
};

}  // namespace

suite::pb::Test Shrink(suite::pb::Test test, const StillFails& still, const ShrinkLimits& limits) { return Shrinker(std::move(test), still, limits).Run(); }

}  // namespace weir::fuzz
