/* The plugins of the C API's tests, as text: `#` makes a string of them, so they have no comments of WebAssembly's. */
#ifndef WEIR_CAPI_TESTING_MODULES_H_
#define WEIR_CAPI_TESTING_MODULES_H_

#define WAT(...) #__VA_ARGS__

/* What a plugin does by itself. */
static const char kModule[] = WAT((module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))
  (import "extism:host/env" "log_debug" (func $log_debug (param i64)))
  (import "extism:host/env" "get_log_level" (func $get_log_level (result i32)))
  (memory (export "memory") 1)
  (func $key (result i64) (local $handle i64)
    (local.set $handle (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $handle) (i32.const 107))
    (local.get $handle))
  (func $answer (param $handle i64) (result i32)
    (call $output_set (local.get $handle) (call $length (local.get $handle)))
    (i32.const 0))
  (func (export "echo") (result i32)
    (call $output_set (call $input_offset) (call $input_length))
    (i32.const 0))
  (func $vowel (param $c i32) (result i32)
    (i32.or (i32.or (i32.eq (local.get $c) (i32.const 97)) (i32.eq (local.get $c) (i32.const 101)))
            (i32.or (i32.or (i32.eq (local.get $c) (i32.const 105)) (i32.eq (local.get $c) (i32.const 111))) (i32.eq (local.get $c) (i32.const 117)))))
  (func (export "count_vowels") (result i32) (local $i i64) (local $count i32) (local $out i64)
    (block $done
      (loop $next
        (br_if $done (i64.ge_u (local.get $i) (call $input_length)))
        (local.set $count (i32.add (local.get $count)
          (call $vowel (i32.or (i32.const 32) (call $input_load_u8 (local.get $i))))))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $next)))
    (local.set $out (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $out) (i32.add (i32.const 48) (local.get $count)))
    (call $answer (local.get $out)))
  (func (export "five") (result i32) (i32.const 5))
  (func (export "nothing"))
  (func (export "long") (result i64) (i64.const 0))
  (func (export "takes") (param i32) (result i32) (i32.const 0))
  (func (export "trap") (result i32) (unreachable))
  (func (export "spin") (result i32) (loop (br 0)) (unreachable))
  (func (export "fail") (result i32) (call $error_set (call $input_offset)) (i32.const 3))
  (func (export "quiet_fail") (result i32) (call $error_set (call $input_offset)) (i32.const 0))
  (func (export "fail_and_trap") (result i32) (call $error_set (call $input_offset)) (unreachable))
  (func (export "fail_freed") (result i32)
    (call $error_set (call $input_offset))
    (call $free (call $input_offset))
    (i32.const 1))
  (func (export "config") (result i32) (call $answer (call $config_get (call $input_offset))))
  (func (export "remember") (result i32) (call $var_set (call $key) (call $input_offset)) (i32.const 0))
  (func (export "recall") (result i32) (call $answer (call $var_get (call $key))))
  (func (export "log") (result i32) (call $log_info (call $input_offset)) (i32.const 0))
  (func (export "log_debug") (result i32) (call $log_debug (call $input_offset)) (i32.const 0))
  (func (export "log_level") (result i32) (call $get_log_level))
  (func (export "output_wraps") (result i32)
    (call $output_set (call $alloc (i64.const 8)) (i64.const -5))
    (i32.const 0))
  (func (export "alloc_wraps") (result i32)
    (i32.or (i64.ne (i64.const 0) (call $alloc (i64.const -1))) (i64.ne (i64.const 0) (call $alloc (i64.const -12)))))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))));

/* One host function from blocks to blocks, whose answer is the output. */
static const char kHelloModule[] = WAT((module
  (import "extism:host/user" "hello_world" (func $hello_world (param i64) (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (func (export "run") (result i32) (local $answer i64)
    (local.set $answer (call $hello_world (call $input_offset)))
    (call $output_set (local.get $answer) (call $length (local.get $answer)))
    (i32.const 0))));

/* A host function without arguments. */
static const char kNotifyModule[] = WAT((module
  (import "extism:host/user" "notify" (func $notify))
  (func (export "quiet"))
  (func (export "notify") (call $notify))
  (func (export "notify_and_spin") (call $notify) (loop (br 0)))));

/* Host functions of every type, and of another module. */
static const char kMixModule[] = WAT((module
  (import "extism:host/user" "mix" (func $mix (param i32 i64 f32 f64) (result i32 i64 f32 f64)))
  (import "elsewhere" "visit" (func $visit))
  (func (export "visit") (call $visit) (call $visit))
  (func (export "mix") (result i32)
    (call $mix (i32.const -3) (i64.const -5000000000) (f32.const 1.5) (f64.const -0.1))
    (f64.eq (f64.const -0.2))
    (if (param i32 i64 f32) (result i32)
      (then
        (f32.eq (f32.const 3))
        (if (param i32 i64) (result i32)
          (then
            (i64.eq (i64.const -10000000000))
            (if (param i32) (result i32) (then (i32.eq (i32.const -6))) (else (drop) (i32.const 0))))
          (else (drop) (drop) (i32.const 0))))
      (else (drop) (drop) (drop) (i32.const 0))))));

#endif
