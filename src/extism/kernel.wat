;; The kernel of a plugin: its input, output and error, and the blocks that it and the host hand each other. One instance beside
;; each plugin, in its store. Offsets and lengths are i64; a handle is the offset of a block's data, 0 is none. Nothing here traps
;; or answers for bytes that are not there: such a load gives 0, such a store does nothing.
;;
;; The layout is that of libextism's kernel, since plugins can print offsets and host programs add them to the memory's base:
;;
;;   1  initialized u8    9  position     17 capacity    25 error
;;   33 input offset     41  input length 49 output offset 57 output length   65 first block
;;   block: status u8 (0 unused, 1 live, 2 free), 3 bytes, size u32 (all of it), used u32 (as asked), data; the next one follows.
;;
;; position: bytes of blocks in use; capacity: bytes that blocks may fill before memory grows. The host (kernel.h) writes and reads
;; the root itself. Guests can store from 64 on, so they can spoil block headers: every walk is bounded.
(module
  (memory (export "memory") 16)
  (data (i32.const 1) "\01")
  (data (i32.const 17) "\c0\ff")  ;; 65536 - 64

  ;; Whether p is where blocks may be.
  (func $in_blocks (param $p i64) (result i32)
    (i64.lt_u (i64.sub (local.get $p) (i64.const 65)) (i64.load (i32.const 17))))
  ;; Whether [p, p + n) is where blocks may be; of no bytes, p - 1 has to be.
  (func $range_in_blocks (param $p i64) (param $n i64) (result i32)
    (i32.and
      (i32.and (call $in_blocks (local.get $p)) (i64.le_u (local.get $n) (i64.load (i32.const 17))))
      (call $in_blocks (i64.sub (i64.add (local.get $p) (local.get $n)) (i64.const 1)))))

  (func (export "load_u8") (param $p i64) (result i32)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (if (result i32) (i64.le_u (i64.sub (local.get $p) (i64.const 64))
                               (i64.sub (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)) (i64.const 65)))
      (then (i32.load8_u (i32.wrap_i64 (local.get $p))))
      (else (i32.const 0))))
  (func (export "load_u64") (param $p i64) (result i64)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (if (result i64) (i64.le_u (i64.sub (local.get $p) (i64.const 57))
                               (i64.sub (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)) (i64.const 65)))
      (then (i64.load align=1 (i32.wrap_i64 (local.get $p))))
      (else (i64.const 0))))
  (func (export "store_u8") (param $p i64) (param $value i32)
    (drop (i32.const 0))(drop (i32.const 0))
    (if (i64.le_u (i64.sub (local.get $p) (i64.const 64))
                  (i64.sub (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)) (i64.const 65)))
      (then (i32.store8 (i32.wrap_i64 (local.get $p)) (local.get $value)))))
  (func (export "store_u64") (param $p i64) (param $value i64)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (if (i64.le_u (i64.sub (local.get $p) (i64.const 64))
                  (i64.sub (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)) (i64.const 72)))
      (then (i64.store align=1 (i32.wrap_i64 (local.get $p)) (local.get $value)))))

  (func (export "input_length") (result i64)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (i64.load (i32.const 41)))
  (func (export "input_offset") (result i64)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (i64.load (i32.const 33)))
  (func (export "input_load_u8") (param $i i64) (result i32)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))(drop (i32.const 0))
    (if (result i32) (i64.lt_u (local.get $i) (i64.load (i32.const 41)))
      (then (i32.load8_u (i32.wrap_i64 (i64.add (i64.load (i32.const 33)) (local.get $i)))))
      (else (i32.const 0))))
  (func (export "input_load_u64") (param $i i64) (result i64)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (if (result i64) (i32.and (i64.ge_u (i64.load (i32.const 41)) (i64.const 8))
                              (i64.le_u (local.get $i) (i64.sub (i64.load (i32.const 41)) (i64.const 8))))
      (then (i64.load align=1 (i32.wrap_i64 (i64.add (i64.load (i32.const 33)) (local.get $i)))))
      (else (i64.const 0))))
  (func (export "input_set") (param $p i64) (param $n i64)
    (if (call $range_in_blocks (local.get $p) (local.get $n))
      (then
        (i64.store (i32.const 33) (local.get $p))
        (i64.store (i32.const 41) (local.get $n)))))
  (func (export "output_set") (param $p i64) (param $n i64)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (if (call $range_in_blocks (local.get $p) (local.get $n))
      (then
        (i64.store (i32.const 49) (local.get $p))
        (i64.store (i32.const 57) (local.get $n)))))
  (func (export "output_offset") (result i64) (i64.load (i32.const 49)))
  (func (export "output_length") (result i64) (i64.load (i32.const 57)))
  (func (export "error_set") (param $p i64)
    (if (i32.or (i64.eqz (local.get $p)) (call $in_blocks (local.get $p)))
      (then (i64.store (i32.const 25) (local.get $p)))))
  (func (export "error_get") (result i64) (i64.load (i32.const 25)))
  (func (export "memory_bytes") (result i64) (i64.load (i32.const 17)))

  ;; The header of the live block whose data is at p; 0: none.
  (func $find (param $p i64) (result i64)
    (local $block i64) (local $end i64)
    (local.set $block (i64.const 65))
    (local.set $end (i64.add (i64.load (i32.const 9)) (i64.const 65)))
    (block $none
      (loop $next
        (br_if $none (i64.gt_u (i64.add (local.get $block) (i64.const 12)) (local.get $p)))
        (br_if $none (i64.ge_u (local.get $block) (local.get $end)))
        (if (i64.eq (i64.add (local.get $block) (i64.const 12)) (local.get $p))
          (then
            (br_if $none (i32.ne (i32.load8_u (i32.wrap_i64 (local.get $block))) (i32.const 1)))
            (return (local.get $block))))
        (local.set $block (i64.add (i64.add (local.get $block) (i64.const 12))
                                   (i64.extend_i32_u (i32.load offset=4 align=1 (i32.wrap_i64 (local.get $block))))))
        (br $next)))
    (i64.const 0))
  (func (export "length") (param $p i64) (result i64)
    (local $block i64)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (local.set $block (call $find (local.get $p)))
    (if (result i64) (i64.eqz (local.get $block))
      (then (i64.const 0))
      (else (i64.extend_i32_u (i32.load offset=8 align=1 (i32.wrap_i64 (local.get $block)))))))
  ;; What stands where the header of a block at p would be.
  (func (export "length_unsafe") (param $p i64) (result i64)
    (local $block i32)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))
    (if (i64.gt_u (i64.sub (local.get $p) (i64.const 64))
                  (i64.sub (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)) (i64.const 64)))
      (then (return (i64.const 0))))
    (local.set $block (i32.wrap_i64 (i64.sub (local.get $p) (i64.const 12))))
    (if (i32.ne (i32.load8_u (local.get $block)) (i32.const 1)) (then (return (i64.const 0))))
    (i64.extend_i32_u (i32.load offset=8 align=1 (local.get $block))))
  (func (export "free") (param $p i64)
    (local $block i64)
    (local.set $block (call $find (local.get $p)))
    (if (i64.eqz (local.get $block)) (then (return)))
    (i32.store8 (i32.wrap_i64 (local.get $block)) (i32.const 2))
    (if (i64.eq (local.get $p) (i64.load (i32.const 33)))
      (then (i64.store (i32.const 41) (i64.const 0)))))

  ;; A freed block with room for n bytes, the rest of it left free where that is 128 bytes or more; 0: none.
  (func $reuse (param $n i64) (result i64)
    (local $block i64) (local $end i64) (local $size i64) (local $at i32)
    (local.set $block (i64.const 65))
    (local.set $end (i64.add (i64.load (i32.const 9)) (i64.const 65)))
    (block $none
      (loop $next
        (br_if $none (i64.ge_u (i64.add (local.get $block) (i64.const 12)) (local.get $end)))
        (local.set $at (i32.wrap_i64 (local.get $block)))
        (local.set $size (i64.extend_i32_u (i32.load offset=4 align=1 (local.get $at))))
        (if (i32.and (i32.and (i32.eq (i32.load8_u (local.get $at)) (i32.const 2))
                              (i64.ge_u (local.get $size) (local.get $n)))
                     ;; A spoiled size may lead out of the blocks.
                     (i64.le_u (i64.add (i64.add (local.get $block) (i64.const 12)) (local.get $size)) (local.get $end)))
          (then
            (if (i64.lt_u (i64.sub (local.get $size) (local.get $n)) (i64.const 128)) (then (return (local.get $block))))
            (local.set $size (i64.sub (local.get $size) (i64.add (local.get $n) (i64.const 12))))
            (i32.store offset=4 align=1 (local.get $at) (i32.wrap_i64 (local.get $size)))
            (i32.store offset=8 align=1 (local.get $at) (i32.const 0))
            (local.set $block (i64.add (i64.add (local.get $block) (i64.const 12)) (local.get $size)))
            (i32.store offset=4 align=1 (i32.wrap_i64 (local.get $block)) (i32.wrap_i64 (local.get $n)))
            (return (local.get $block))))
        (local.set $block (i64.add (i64.add (local.get $block) (i64.const 12)) (local.get $size)))
        (br $next)))
    (i64.const 0))
  (func (export "alloc") (param $n i64) (result i64)
    (local $position i64) (local $left i64) (local $whole i64) (local $pages i64) (local $block i64)
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))(drop (i32.const 0))
    (if (i64.gt_u (i64.sub (local.get $n) (i64.const 1)) (i64.const 0xfffffffe)) (then (return (i64.const 0))))
    (local.set $position (i64.load (i32.const 9)))
    (local.set $block (i64.add (local.get $position) (i64.const 65)))
    (local.set $left (i64.sub (i64.sub (i64.load (i32.const 17)) (local.get $position)) (i64.const 64)))
    (local.set $whole (i64.add (local.get $n) (i64.const 12)))
    (block $made
      (if (i64.ge_u (local.get $whole) (local.get $left))
        (then
          (if (i64.le_u (local.get $whole) (local.get $position))
            (then
              (local.set $left (call $reuse (local.get $n)))
              (if (i64.ne (local.get $left) (i64.const 0))
                (then
                  (local.set $block (local.get $left))
                  (i32.store8 (i32.wrap_i64 (local.get $block)) (i32.const 1))
                  (i32.store offset=8 align=1 (i32.wrap_i64 (local.get $block)) (i32.wrap_i64 (local.get $n)))
                  (br $made)))
              (local.set $left (i64.sub (i64.sub (i64.load (i32.const 17)) (local.get $position)) (i64.const 64)))))
          (local.set $pages (i64.shr_u (i64.add (i64.sub (local.get $whole) (local.get $left)) (i64.const 65535)) (i64.const 16)))
          (if (i64.gt_u (local.get $pages) (i64.const 65536)) (then (return (i64.const 0))))
          (if (i32.eq (memory.grow (i32.wrap_i64 (local.get $pages))) (i32.const -1)) (then (return (i64.const 0))))
          (i64.store (i32.const 17) (i64.add (i64.load (i32.const 17)) (i64.shl (local.get $pages) (i64.const 16))))))
      (i64.store (i32.const 9) (i64.add (local.get $position) (local.get $whole)))
      (i32.store8 (i32.wrap_i64 (local.get $block)) (i32.const 1))
      (i32.store offset=4 align=1 (i32.wrap_i64 (local.get $block)) (i32.wrap_i64 (local.get $n)))
      (i32.store offset=8 align=1 (i32.wrap_i64 (local.get $block)) (i32.wrap_i64 (local.get $n))))
    (i64.add (local.get $block) (i64.const 12)))

  (func (export "reset")
    (memory.fill (i32.const 65) (i32.const 0) (i32.wrap_i64 (i64.load (i32.const 9))))
    (i64.store (i32.const 9) (i64.const 0))
    (memory.fill (i32.const 25) (i32.const 0) (i32.const 40))))
