;; The least there is: an ABI marker and a memory, no callback, no allocator. Every absent callback means "continue".
(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1")))
