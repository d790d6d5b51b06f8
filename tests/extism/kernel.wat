;; Every function of the kernel, edge by edge: each export asks one question and answers with 8 bytes, or with what it reads.
(module
  (type (;0;) (func (param i64) (result i64)))
  (type (;1;) (func (param i64)))
  (type (;2;) (func (param i64 i32)))
  (type (;3;) (func (param i64 i64)))
  (type (;4;) (func (param i64) (result i32)))
  (type (;5;) (func (result i64)))
  (type (;6;) (func))
  (type (;7;) (func (param i64 i64) (result i64)))
  (type (;8;) (func (result i32)))
  (type (;9;) (func (param i32 i32) (result i64)))
  (type (;10;) (func (param i32 i32)))
  (import "extism:host/env" "alloc" (func (;0;) (type 0)))
  (import "extism:host/env" "free" (func (;1;) (type 1)))
  (import "extism:host/env" "length" (func (;2;) (type 0)))
  (import "extism:host/env" "store_u8" (func (;3;) (type 2)))
  (import "extism:host/env" "store_u64" (func (;4;) (type 3)))
  (import "extism:host/env" "load_u8" (func (;5;) (type 4)))
  (import "extism:host/env" "input_length" (func (;6;) (type 5)))
  (import "extism:host/env" "input_offset" (func (;7;) (type 5)))
  (import "extism:host/env" "input_load_u8" (func (;8;) (type 4)))
  (import "extism:host/env" "output_set" (func (;9;) (type 3)))
  (import "extism:host/env" "error_set" (func (;10;) (type 1)))
  (import "extism:host/env" "length_unsafe" (func (;11;) (type 0)))
  (import "extism:host/env" "load_u64" (func (;12;) (type 0)))
  (import "extism:host/env" "input_load_u64" (func (;13;) (type 0)))
  (import "extism:host/env" "input_set" (func (;14;) (type 3)))
  (import "extism:host/env" "output_offset" (func (;15;) (type 5)))
  (import "extism:host/env" "output_length" (func (;16;) (type 5)))
  (import "extism:host/env" "error_get" (func (;17;) (type 5)))
  (import "extism:host/env" "memory_bytes" (func (;18;) (type 5)))
  (import "extism:host/env" "reset" (func (;19;) (type 6)))
  (import "extism:host/env" "config_get" (func (;20;) (type 0)))
  (import "extism:host/env" "var_get" (func (;21;) (type 0)))
  (import "extism:host/env" "var_set" (func (;22;) (type 3)))
  (import "extism:host/env" "http_request" (func (;23;) (type 7)))
  (import "extism:host/env" "http_status_code" (func (;24;) (type 8)))
  (import "extism:host/env" "http_headers" (func (;25;) (type 5)))
  (import "extism:host/env" "log_info" (func (;26;) (type 1)))
  (import "extism:host/env" "log_error" (func (;27;) (type 1)))
  (import "extism:host/env" "log_trace" (func (;28;) (type 1)))
  (import "extism:host/env" "get_log_level" (func (;29;) (type 8)))
  (func (;30;) (type 9) (param i32 i32) (result i64)
    (local i64 i32)
    local.get 1
    i64.extend_i32_u
    call 0
    local.set 2
    block  ;; label = @1
      loop  ;; label = @2
        local.get 3
        local.get 1
        i32.ge_u
        br_if 1 (;@1;)
        local.get 2
        local.get 3
        i64.extend_i32_u
        i64.add
        local.get 0
        local.get 3
        i32.add
        i32.load8_u
        call 3
        local.get 3
        i32.const 1
        i32.add
        local.set 3
        br 0 (;@2;)
      end
    end
    local.get 2)
  (func (;31;) (type 10) (param i32 i32)
    local.get 0
    local.get 1
    call 30
    local.get 1
    i64.extend_i32_u
    call 9)
  (func (;32;) (type 1) (param i64)
    (local i64)
    i64.const 8
    call 0
    local.set 1
    local.get 1
    local.get 0
    call 4
    local.get 1
    i64.const 8
    call 9)
  (func (;33;) (type 8) (result i32)
    i64.const 1
    call 0
    call 32
    i32.const 0)
  (func (;34;) (type 8) (result i32)
    i64.const 1
    call 0
    call 32
    i32.const 0)
  (func (;35;) (type 8) (result i32)
    i64.const 0
    call 0
    call 32
    i32.const 0)
  (func (;36;) (type 8) (result i32)
    i64.const 8589934592
    call 0
    call 32
    i32.const 0)
  (func (;37;) (type 8) (result i32)
    i64.const -1
    call 0
    call 32
    i32.const 0)
  (func (;38;) (type 8) (result i32)
    i64.const 104857600
    call 0
    i64.const 0
    i64.ne
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;39;) (type 8) (result i32)
    i64.const 0
    call 2
    call 32
    i32.const 0)
  (func (;40;) (type 8) (result i32)
    i64.const 12345
    call 2
    call 32
    i32.const 0)
  (func (;41;) (type 8) (result i32)
    i64.const 16
    call 0
    i64.const 1
    i64.add
    call 2
    call 32
    i32.const 0)
  (func (;42;) (type 8) (result i32)
    i64.const 17
    call 0
    call 2
    call 32
    i32.const 0)
  (func (;43;) (type 8) (result i32)
    i64.const 9223372036854775807
    call 2
    call 32
    i32.const 0)
  (func (;44;) (type 8) (result i32)
    (local i64 i64)
    i64.const 16
    call 0
    local.set 0
    local.get 0
    call 1
    local.get 0
    call 2
    call 32
    i32.const 0)
  (func (;45;) (type 8) (result i32)
    (local i64 i64)
    i64.const 16
    call 0
    local.set 0
    local.get 0
    call 1
    local.get 0
    call 11
    call 32
    i32.const 0)
  (func (;46;) (type 8) (result i32)
    i64.const 18
    call 0
    call 11
    call 32
    i32.const 0)
  (func (;47;) (type 8) (result i32)
    i64.const 0
    call 11
    call 32
    i32.const 0)
  (func (;48;) (type 8) (result i32)
    (local i64 i64)
    i64.const 16
    call 0
    local.set 0
    local.get 0
    call 1
    local.get 0
    call 1
    i64.const 1
    call 32
    i32.const 0)
  (func (;49;) (type 8) (result i32)
    (local i64 i64)
    i64.const 999
    call 1
    i64.const 0
    call 1
    i64.const -1
    call 1
    i64.const 1
    call 32
    i32.const 0)
  (func (;50;) (type 8) (result i32)
    (local i64 i64)
    i64.const 16
    call 0
    local.set 0
    local.get 0
    call 1
    i64.const 16
    call 0
    local.set 1
    local.get 1
    local.get 0
    i64.sub
    call 32
    i32.const 0)
  (func (;51;) (type 8) (result i32)
    (local i64 i64)
    i64.const 16
    call 0
    local.set 0
    i64.const 16
    call 0
    local.set 1
    local.get 1
    local.get 0
    i64.sub
    call 32
    i32.const 0)
  (func (;52;) (type 8) (result i32)
    i64.const 8
    call 0
    call 12
    call 32
    i32.const 0)
  (func (;53;) (type 8) (result i32)
    i64.const 0
    call 5
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;54;) (type 8) (result i32)
    i64.const 64
    call 5
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;55;) (type 8) (result i32)
    i64.const 4294967296
    call 5
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;56;) (type 8) (result i32)
    i64.const -1
    call 5
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;57;) (type 8) (result i32)
    i64.const 1048576
    call 5
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;58;) (type 8) (result i32)
    i64.const 1048570
    call 12
    call 32
    i32.const 0)
  (func (;59;) (type 8) (result i32)
    i64.const 8589934592
    call 12
    call 32
    i32.const 0)
  (func (;60;) (type 8) (result i32)
    i64.const -4
    call 12
    call 32
    i32.const 0)
  (func (;61;) (type 8) (result i32)
    (local i64 i64)
    i64.const 4294967296
    i32.const 1
    call 3
    i64.const 1
    call 32
    i32.const 0)
  (func (;62;) (type 8) (result i32)
    (local i64 i64)
    i64.const 10
    i32.const 255
    call 3
    i64.const 1
    call 32
    i32.const 0)
  (func (;63;) (type 8) (result i32)
    (local i64 i64)
    i64.const 2
    call 0
    local.set 0
    local.get 0
    i32.const 511
    call 3
    local.get 0
    call 5
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;64;) (type 8) (result i32)
    call 6
    call 32
    i32.const 0)
  (func (;65;) (type 8) (result i32)
    call 7
    call 32
    i32.const 0)
  (func (;66;) (type 8) (result i32)
    call 6
    call 32
    i32.const 0)
  (func (;67;) (type 8) (result i32)
    call 7
    call 32
    i32.const 0)
  (func (;68;) (type 8) (result i32)
    call 7
    call 2
    call 32
    i32.const 0)
  (func (;69;) (type 8) (result i32)
    i64.const 4
    call 8
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;70;) (type 8) (result i32)
    i64.const 5
    call 8
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;71;) (type 8) (result i32)
    i64.const 0
    call 13
    call 32
    i32.const 0)
  (func (;72;) (type 8) (result i32)
    i64.const 1
    call 13
    call 32
    i32.const 0)
  (func (;73;) (type 8) (result i32)
    i64.const -8
    call 13
    call 32
    i32.const 0)
  (func (;74;) (type 8) (result i32)
    i64.const -1
    call 8
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;75;) (type 8) (result i32)
    (local i64 i64)
    call 7
    call 1
    call 6
    call 32
    i32.const 0)
  (func (;76;) (type 8) (result i32)
    (local i64 i64)
    i32.const 16
    i32.const 3
    call 30
    i64.const 3
    call 14
    call 6
    call 32
    i32.const 0)
  (func (;77;) (type 8) (result i32)
    call 15
    call 16
    i64.or
    call 32
    i32.const 0)
  (func (;78;) (type 8) (result i32)
    call 18
    call 32
    i32.const 0)
  (func (;79;) (type 8) (result i32)
    call 17
    call 32
    i32.const 0)
  (func (;80;) (type 8) (result i32)
    (local i64 i64)
    i32.const 27
    i32.const 1
    call 30
    call 10
    i64.const 0
    call 10
    call 17
    call 32
    i32.const 0)
  (func (;81;) (type 8) (result i32)
    (local i64 i64)
    i32.const 36
    i32.const 4
    call 30
    i64.const 1
    i64.add
    call 10
    i64.const 7
    call 32
    i32.const 0)
  (func (;82;) (type 8) (result i32)
    (local i64 i64)
    i64.const 2147483647
    call 10
    i64.const 7
    call 32
    i32.const 0)
  (func (;83;) (type 8) (result i32)
    (local i64 i64)
    i32.const 48
    i32.const 5
    call 30
    local.set 0
    local.get 0
    call 10
    local.get 0
    call 1
    i64.const 7
    call 32
    i32.const 0)
  (func (;84;) (type 8) (result i32)
    (local i64 i64)
    i32.const 61
    i32.const 2
    call 30
    call 10
    i32.const 0)
  (func (;85;) (type 8) (result i32)
    (local i64 i64)
    i32.const 71
    i32.const 3
    call 30
    call 10
    i32.const 82
    i32.const 3
    call 30
    call 10
    i32.const 0)
  (func (;86;) (type 8) (result i32)
    (local i64 i64)
    i64.const 8
    call 0
    i64.const 0
    call 9
    i32.const 0)
  (func (;87;) (type 8) (result i32)
    (local i64 i64)
    i64.const 5
    call 32
    i64.const 0
    i64.const 0
    call 9
    i32.const 0)
  (func (;88;) (type 8) (result i32)
    (local i64 i64)
    i32.const 93
    i32.const 5
    call 30
    local.set 0
    local.get 0
    i64.const 5
    call 9
    local.get 0
    call 1
    i32.const 0)
  (func (;89;) (type 8) (result i32)
    (local i64 i64)
    i32.const 106
    i32.const 6
    call 30
    i64.const 2
    i64.add
    i64.const 3
    call 9
    i32.const 0)
  (func (;90;) (type 8) (result i32)
    (local i64 i64)
    i32.const 120
    i32.const 2
    call 30
    local.set 0
    i32.const 130
    i32.const 2
    call 30
    local.set 1
    local.get 0
    local.get 1
    local.get 0
    i64.sub
    i64.const 2
    i64.add
    call 9
    i32.const 0)
  (func (;91;) (type 8) (result i32)
    (local i64 i64)
    call 7
    call 6
    call 9
    i32.const 0)
  (func (;92;) (type 8) (result i32)
    (local i64 i64)
    i32.const 140
    i32.const 3
    call 30
    i64.const 3
    call 9
    i32.const 151
    i32.const 4
    call 30
    i64.const 4
    call 9
    i32.const 0)
  (func (;93;) (type 8) (result i32)
    (local i64 i64)
    i32.const 163
    i32.const 1
    call 30
    local.set 0
    call 19
    local.get 0
    call 2
    call 32
    i32.const 0)
  (func (;94;) (type 8) (result i32)
    (local i64 i64)
    call 19
    call 6
    call 32
    i32.const 0)
  (func (;95;) (type 8) (result i32)
    global.get 0
    call 32
    i32.const 0)
  (func (;96;) (type 8) (result i32)
    (local i64 i64)
    i32.const 172
    i32.const 1
    call 30
    call 21
    call 32
    i32.const 0)
  (func (;97;) (type 8) (result i32)
    (local i64 i64)
    i32.const 181
    i32.const 1
    call 30
    i32.const 190
    i32.const 5
    call 30
    call 22
    i64.const 1
    call 32
    i32.const 0)
  (func (;98;) (type 8) (result i32)
    (local i64 i64)
    i32.const 203
    i32.const 1
    call 30
    call 21
    local.set 0
    local.get 0
    local.get 0
    call 2
    call 9
    i32.const 0)
  (func (;99;) (type 8) (result i32)
    (local i64 i64)
    i32.const 212
    i32.const 1
    call 30
    local.set 0
    local.get 0
    call 21
    drop
    local.get 0
    call 2
    call 32
    i32.const 0)
  (func (;100;) (type 8) (result i32)
    (local i64 i64)
    i32.const 221
    i32.const 1
    call 30
    i64.const 0
    call 22
    i32.const 230
    i32.const 1
    call 30
    call 21
    call 32
    i32.const 0)
  (func (;101;) (type 8) (result i32)
    (local i64 i64)
    i64.const 0
    i32.const 239
    i32.const 1
    call 30
    call 22
    i64.const 0
    call 21
    local.set 0
    local.get 0
    local.get 0
    call 2
    call 9
    i32.const 0)
  (func (;102;) (type 8) (result i32)
    (local i64 i64)
    i64.const 4242
    call 21
    call 32
    i32.const 0)
  (func (;103;) (type 8) (result i32)
    (local i64 i64)
    i32.const 248
    i32.const 1
    call 30
    i64.const 4242
    call 22
    i32.const 0)
  (func (;104;) (type 8) (result i32)
    (local i64 i64)
    i32.const 257
    i32.const 3
    call 30
    i64.const 1048600
    call 0
    call 22
    i32.const 0)
  (func (;105;) (type 8) (result i32)
    (local i64 i64)
    i32.const 268
    i32.const 3
    call 30
    i64.const 1048400
    call 0
    call 22
    i64.const 1
    call 32
    i32.const 0)
  (func (;106;) (type 8) (result i32)
    (local i64 i64)
    i32.const 279
    i32.const 3
    call 30
    i64.const 1048400
    call 0
    call 22
    i64.const 1
    call 32
    i32.const 0)
  (func (;107;) (type 8) (result i32)
    (local i64 i64)
    i32.const 290
    i32.const 4
    call 30
    call 20
    call 32
    i32.const 0)
  (func (;108;) (type 8) (result i32)
    (local i64 i64)
    i64.const 0
    call 20
    call 32
    i32.const 0)
  (func (;109;) (type 8) (result i32)
    (local i64 i64)
    i32.const 302
    i32.const 2
    call 30
    local.set 0
    local.get 0
    call 26
    local.get 0
    call 2
    call 32
    i32.const 0)
  (func (;110;) (type 8) (result i32)
    (local i64 i64)
    i64.const 4242
    call 27
    i64.const 1
    call 32
    i32.const 0)
  (func (;111;) (type 8) (result i32)
    (local i64 i64)
    call 29
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;112;) (type 8) (result i32)
    (local i64 i64)
    call 24
    i64.extend_i32_u
    call 32
    i32.const 0)
  (func (;113;) (type 8) (result i32)
    (local i64 i64)
    call 25
    call 32
    i32.const 0)
  (func (;114;) (type 8) (result i32)
    (local i64 i64)
    i32.const 312
    i32.const 29
    call 30
    i64.const 0
    call 23
    drop
    i32.const 0)
  (func (;115;) (type 8) (result i32)
    (local i64)
    i32.const 0)
  (func (;116;) (type 8) (result i32)
    (local i64)
    i32.const 0)
  (func (;117;) (type 8) (result i32)
    (local i64)
    i32.const 0)
  (func (;118;) (type 8) (result i32)
    (local i64)
    i32.const 0)
  (func (;119;) (type 8) (result i32)
    (local i64)
    i64.const 8
    call 0
    drop
    i32.const 0)
  (func (;120;) (type 8) (result i32)
    (local i64)
    i64.const 8
    call 0
    local.set 0
    local.get 0
    i32.const 1
    call 3
    i32.const 0)
  (func (;121;) (type 8) (result i32)
    (local i64)
    i64.const 8
    call 0
    local.set 0
    local.get 0
    i32.const 1
    call 3
    local.get 0
    i32.const 1
    call 3
    i32.const 0)
  (func (;122;) (type 8) (result i32)
    (local i64)
    i64.const 8
    call 0
    local.set 0
    local.get 0
    i64.const 1
    call 4
    i32.const 0)
  (func (;123;) (type 8) (result i32)
    (local i64)
    call 6
    drop
    i32.const 0)
  (func (;124;) (type 8) (result i32)
    (local i64)
    i64.const 0
    call 8
    drop
    i32.const 0)
  (func (;125;) (type 8) (result i32)
    (local i64)
    i64.const 0
    call 5
    drop
    i32.const 0)
  (func (;126;) (type 8) (result i32)
    (local i64)
    i32.const 1
    drop
    i32.const 0)
  (func (;127;) (type 8) (result i32)
    (local i64)
    i32.const 0
    i32.const 0
    i32.const 65536
    memory.fill
    i32.const 0)
  (memory (;0;) 1)
  (global (;0;) (mut i64) (i64.const 0))
  (export "memory" (memory 0))
  (export "alloc_1" (func 33))
  (export "alloc_1_with_5_byte_input" (func 34))
  (export "alloc_0" (func 35))
  (export "alloc_too_big" (func 36))
  (export "alloc_neg" (func 37))
  (export "alloc_100MiB_nonzero" (func 38))
  (export "length_0" (func 39))
  (export "length_garbage" (func 40))
  (export "length_interior" (func 41))
  (export "length_ok" (func 42))
  (export "length_huge" (func 43))
  (export "length_after_free" (func 44))
  (export "length_unsafe_after_free" (func 45))
  (export "length_unsafe_ok" (func 46))
  (export "length_unsafe_0" (func 47))
  (export "free_twice" (func 48))
  (export "free_garbage" (func 49))
  (export "alloc_after_free_same" (func 50))
  (export "alloc_gap" (func 51))
  (export "fresh_alloc_is_zero" (func 52))
  (export "load_u8_0" (func 53))
  (export "load_u8_64" (func 54))
  (export "load_u8_oob" (func 55))
  (export "load_u8_neg" (func 56))
  (export "load_u8_just_at_end" (func 57))
  (export "load_u64_crossing_end" (func 58))
  (export "load_u64_oob" (func 59))
  (export "load_u64_wrap" (func 60))
  (export "store_u8_oob" (func 61))
  (export "store_u8_low_ignored" (func 62))
  (export "store_u8_truncates" (func 63))
  (export "input_length_0" (func 64))
  (export "input_offset_0" (func 65))
  (export "input_length_5" (func 66))
  (export "input_offset_5" (func 67))
  (export "input_handle_length" (func 68))
  (export "input_load_u8_4" (func 69))
  (export "input_load_u8_5" (func 70))
  (export "input_load_u64_0" (func 71))
  (export "input_load_u64_1" (func 72))
  (export "input_load_u64_wrap" (func 73))
  (export "input_load_u8_neg" (func 74))
  (export "free_input_zeroes_length" (func 75))
  (export "input_set_by_guest" (func 76))
  (export "output_before" (func 77))
  (export "memory_bytes" (func 78))
  (export "error_get_0" (func 79))
  (export "error_set_0_clears" (func 80))
  (export "error_set_interior" (func 81))
  (export "error_set_oob" (func 82))
  (export "error_set_freed" (func 83))
  (export "error_not_utf8" (func 84))
  (export "error_set_twice" (func 85))
  (export "output_len_0" (func 86))
  (export "output_0_0_ignored" (func 87))
  (export "output_freed" (func 88))
  (export "output_interior" (func 89))
  (export "output_spanning_blocks" (func 90))
  (export "output_is_input" (func 91))
  (export "output_twice" (func 92))
  (export "guest_reset" (func 93))
  (export "guest_reset_input" (func 94))
  (export "keep_set" (func 95))
  (export "var_get_missing" (func 96))
  (export "var_set" (func 97))
  (export "var_get_next_call" (func 98))
  (export "var_key_freed_after_get" (func 99))
  (export "var_remove" (func 100))
  (export "var_set_null_key" (func 101))
  (export "var_bad_key_handle" (func 102))
  (export "var_bad_value_handle" (func 103))
  (export "var_too_big" (func 104))
  (export "var_just_fits" (func 105))
  (export "var_replace_counts_old" (func 106))
  (export "config_missing" (func 107))
  (export "config_null" (func 108))
  (export "log_info" (func 109))
  (export "log_bad_handle" (func 110))
  (export "log_level" (func 111))
  (export "http_status" (func 112))
  (export "http_headers" (func 113))
  (export "http_request" (func 114))
  (export "fuel_nop" (func 115))
  (export "fuel_nop_5_byte_input" (func 116))
  (export "fuel_nop_1000_byte_input" (func 117))
  (export "fuel_nop_100k_input" (func 118))
  (export "fuel_alloc8" (func 119))
  (export "fuel_alloc8_store_u8" (func 120))
  (export "fuel_alloc8_store_u8_x2" (func 121))
  (export "fuel_alloc8_store_u64" (func 122))
  (export "fuel_input_length" (func 123))
  (export "fuel_input_load_u8" (func 124))
  (export "fuel_load_u8_oob" (func 125))
  (export "fuel_nop_i32_const_drop" (func 126))
  (export "fuel_memory_fill_64k" (func 127))
  (data (;0;) (i32.const 16) "abc")
  (data (;1;) (i32.const 27) "e")
  (data (;2;) (i32.const 36) "eeee")
  (data (;3;) (i32.const 48) "freed")
  (data (;4;) (i32.const 61) "\ff\fe")
  (data (;5;) (i32.const 71) "one")
  (data (;6;) (i32.const 82) "two")
  (data (;7;) (i32.const 93) "freed")
  (data (;8;) (i32.const 106) "abcdef")
  (data (;9;) (i32.const 120) "ab")
  (data (;10;) (i32.const 130) "cd")
  (data (;11;) (i32.const 140) "one")
  (data (;12;) (i32.const 151) "two!")
  (data (;13;) (i32.const 163) "x")
  (data (;14;) (i32.const 172) "k")
  (data (;15;) (i32.const 181) "k")
  (data (;16;) (i32.const 190) "value")
  (data (;17;) (i32.const 203) "k")
  (data (;18;) (i32.const 212) "k")
  (data (;19;) (i32.const 221) "k")
  (data (;20;) (i32.const 230) "k")
  (data (;21;) (i32.const 239) "v")
  (data (;22;) (i32.const 248) "k")
  (data (;23;) (i32.const 257) "big")
  (data (;24;) (i32.const 268) "big")
  (data (;25;) (i32.const 279) "big")
  (data (;26;) (i32.const 290) "nope")
  (data (;27;) (i32.const 302) "hi")
  (data (;28;) (i32.const 312) "{\22url\22:\22http://localhost:1/\22}"))
