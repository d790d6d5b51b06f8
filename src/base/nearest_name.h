// "did you mean": the known name that a misspelt one was probably meant to be.
#pragma once

#include <span>
#include <string_view>

namespace weir {

/// The name in `known` with the fewest edits (insert, delete, replace, swap two neighbours; case does not count) from
/// `name`; the first of several. Empty when none is near: more than a third of `name`'s letters, at least one, would change.
/// Names over 128 bytes are never near, so that the work stays bounded.
std::string_view NearestName(std::string_view name, std::span<const std::string_view> known) noexcept;

}  // namespace weir
