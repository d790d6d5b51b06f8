;; Answers every request with 401 and, in the same callback, with 200: the first one wins. Then it resumes what is not paused.
(module
  (import "env" "proxy_send_local_response" (func $local (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "first")
  (data (i32.const 32) "second")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $local (i32.const 401) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const -1)))
    (drop (call $local (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 32) (i32.const 6) (i32.const 0) (i32.const 0) (i32.const -1)))
    (drop (call $continue (i32.const 0)))
    (i32.const 1)))
