# -DLIBRARY= -DREADELF= : nginx loads libweir.so with dlopen, and its thread-local data is found by a load (scripts/
# rustc-initial-exec.sh): so it must fit into what glibc keeps free for that, 1664 bytes for all such libraries of a process.
set(tls_bytes_max 1400)
execute_process(COMMAND "${READELF}" -lW "${LIBRARY}" OUTPUT_VARIABLE segments COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "TLS +0x[0-9a-f]+ +0x[0-9a-f]+ +0x[0-9a-f]+ +0x[0-9a-f]+ +(0x[0-9a-f]+)" found "${segments}")
if(found)
  math(EXPR tls_bytes "${CMAKE_MATCH_1}")
  if(tls_bytes GREATER tls_bytes_max)
    message(FATAL_ERROR "${LIBRARY}: ${tls_bytes} bytes of thread-local data, at most ${tls_bytes_max} load with dlopen everywhere: "
      "see which symbols are of type TLS (readelf -sW)")
  endif()
endif()
