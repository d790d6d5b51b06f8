// What `weir help TOPIC` says beside the help of the commands.
#pragma once

#include <span>
#include <string_view>

namespace weir::cli {

struct HelpTopic {
  std::string_view name, summary, text;
};
std::span<const HelpTopic> HelpTopics();

}  // namespace weir::cli
