// For ThreadSanitizer: Wasmtime, which is built without it, gives the memory of an instance that ended to the next one, maybe on another
// thread. Its locks order that, unseen.
#pragma once

#if defined(__SANITIZE_THREAD__)
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace weir::engine {

#if defined(__SANITIZE_THREAD__)
inline char handover;  // a place that stands for Wasmtime's locks
inline void MemoryTaken() { __tsan_acquire(&handover); }
inline void MemoryGivenBack() { __tsan_release(&handover); }
#else
inline void MemoryTaken() {}
inline void MemoryGivenBack() {}
#endif

}  // namespace weir::engine
