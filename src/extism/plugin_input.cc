// The input of a call, written once: to the kernel's first block, where the guest reads it.
#include <algorithm>
#include <array>
#include <cstring>

#include "extism/plugin.h"

namespace weir::extism {
namespace {

// What the reference's kernel, which is Wasm, takes of a call's fuel before the guest runs (measured; ours is written to directly).
constexpr uint64_t kFuelOfCall = 130, kFuelOfInput = 97, kFuelOfTwoResetBytes = 5;

// Of a stream's room: the first page without the kernel's root and a block's header, then whole pages. So a stream may be as long as
// any other input.
constexpr uint64_t kNextRoomBytes = 64 << 10, kFirstRoomBytes = kNextRoomBytes - 140;

/// What a writer says it wrote, if that can be.
Result<size_t> Written(Result<size_t> answer, size_t room_bytes) {
  if (!answer || *answer <= room_bytes) return answer;
  return Error{ErrorCode::kInvalidArgument, "the input's writer says " + std::to_string(*answer) + " bytes of a room of " + std::to_string(room_bytes)};
}

}  // namespace

Input Input::Gather(std::span<const std::string_view> pieces) {
  Input input;
  input.kind_ = Kind::kPieces;
  input.pieces_ = pieces;
  for (const std::string_view piece : pieces) {
    if (__builtin_add_overflow(input.size_, piece.size(), &input.size_)) input.size_ = UINT64_MAX - piece.size();
  }
  return input;
}

Input Input::Fill(uint64_t bytes_max, Writer write) {
  Input input;
  input.kind_ = Kind::kFill;
  input.size_ = bytes_max;
  input.writer_ = std::move(write);
  return input;
}

Input Input::Stream(Writer read, uint64_t bytes_max) {
  Input input = Fill(bytes_max, std::move(read));
  input.kind_ = Kind::kStream;
  return input;
}

std::optional<PluginImpl::Stop> PluginImpl::TakeFuel(uint64_t fuel) {
  if (!options().fuel) return std::nullopt;
  const uint64_t left = world_->fuel();
  world_->SetFuel(left > fuel ? left - fuel : 0);
  return left > fuel ? std::nullopt : std::optional(Stop{Failure(kNoFuel)});
}

std::optional<PluginImpl::Stop> PluginImpl::PlaceInput(uint64_t bytes) {
  const auto stop = [](Failure failure) { return Stop{std::move(failure), -1, ErrorCode::kLimit}; };
  if (bytes > UINT32_MAX) return stop(Failure(id_text() + " out of memory"));
  if (memory_view().PlaceInput(bytes)) [[likely]] return std::nullopt;
  engine::RawValue slot{.i64 = bytes};
  const auto fault = world_->Call(alloc_, {&slot, 1});
  if (OutOfFuel()) return stop(Failure(kNoFuel));
  if (fault) return stop(Failure("failed to allocate extism memory", fault->cause));
  if (slot.i64 != KernelMemory::kFirstHandle || !memory_view().Bytes(slot.i64, bytes)) return stop(Failure(id_text() + " out of memory"));
  return std::nullopt;
}

std::optional<PluginImpl::Stop> PluginImpl::SetInput(const Input& input) {
  output_ = {};
  error_ = 0;
  KernelMemory kernel = memory_view();
  const uint64_t used = kernel.position();
  kernel.Reset();
  if (auto stop = TakeFuel(kFuelOfCall + used * kFuelOfTwoResetBytes / 2)) return stop;
  if (input.kind_ == Input::Kind::kStream) return ReadStream(input);
  const uint64_t bytes = input.kind_ == Input::Kind::kBytes ? input.bytes_.size() : input.size_;
  if (bytes == 0) return std::nullopt;
  if (auto stop = TakeFuel(kFuelOfInput)) return stop;
  if (auto stop = PlaceInput(bytes)) return stop;
  const std::span<uint8_t> room = *memory_view().Bytes(KernelMemory::kFirstHandle, bytes);
  uint64_t written = bytes;
  if (input.kind_ == Input::Kind::kBytes) {
    std::memcpy(room.data(), input.bytes_.data(), bytes);
  } else if (input.kind_ == Input::Kind::kPieces) {
    uint8_t* at = room.data();
    for (const std::string_view piece : input.pieces_) at = std::copy(piece.begin(), piece.end(), at);
  } else {
    const auto answer = Written(input.writer_(room), room.size());
    if (!answer) return Stop{Failure(answer.error().message), -1, answer.error().code};
    written = *answer;
  }
  // All of the room stays the block's, so that whatever was written there goes when blocks are forgotten.
  memory_view().SetInput(static_cast<uint32_t>(written));
  return std::nullopt;
}

std::optional<PluginImpl::Stop> PluginImpl::ReadStream(const Input& input) {
  const uint64_t fuel = options().fuel ? world_->fuel() : 0;
  uint64_t got = 0, room = 0;
  while (true) {
    std::optional<Stop> full;
    if (got == room) {
      // The same block once more, and longer: the first of none begins where it did, and its bytes are there.
      const uint64_t more = room == 0 ? kFirstRoomBytes : kNextRoomBytes;
      memory_view().Rewind();
      full = PlaceInput(room + more);
      full ? memory_view().PlaceFirst(static_cast<uint32_t>(room)) : static_cast<void>(room += more);
    }
    std::array<uint8_t, 1> beyond;  // the stream may be at its end, where memory is
    const std::span<uint8_t> free = full ? std::span<uint8_t>(beyond) : memory_view().Bytes(KernelMemory::kFirstHandle, room)->subspan(got);
    const auto answer = Written(input.writer_(free), free.size());
    if (!answer) return Stop{Failure(answer.error().message), -1, answer.error().code};
    if (*answer == 0) break;
    if (full) return full;
    got += *answer;
    if (got > input.size_) return Stop{Failure("the input is longer than " + std::to_string(input.size_) + " bytes"), -1, ErrorCode::kLimit};
  }
  if (got > 0) {
    if (options().fuel) world_->SetFuel(fuel);  // room that was made costs what an input costs
    if (auto stop = TakeFuel(kFuelOfInput)) return stop;
  }
  memory_view().SetInput(static_cast<uint32_t>(got));
  return std::nullopt;
}

}  // namespace weir::extism
