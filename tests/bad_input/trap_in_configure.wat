;; expect: on_configure|unreachable
(module (memory (export "memory") 1) (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024)) (func (export "proxy_abi_version_0_2_1"))
  (func $helper (unreachable))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $helper) (i32.const 1)))
