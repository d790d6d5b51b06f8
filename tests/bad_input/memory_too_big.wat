;; expect: memory
(module (memory (export "memory") 8192) (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024)) (func (export "proxy_abi_version_0_2_1")))
