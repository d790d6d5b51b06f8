# wasmtime::wasmtime, the static C API of Wasmtime. Made once by scripts/build-wasmtime.sh (about ten minutes on two cores) and
# kept outside the tree; -DWEIR_WASMTIME_ROOT=DIR takes a prebuilt one (DIR/include, DIR/lib/libweir_wasmtime.a).
set(WEIR_WASMTIME_ROOT "" CACHE PATH "Prebuilt Wasmtime C API")
if(NOT WEIR_WASMTIME_ROOT)
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/build-wasmtime.sh
    OUTPUT_VARIABLE _root OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE _rc)
  if(NOT _rc EQUAL 0)
    message(FATAL_ERROR "scripts/build-wasmtime.sh failed; its output is above")
  endif()
else()
  set(_root ${WEIR_WASMTIME_ROOT})
endif()
add_library(weir_wasmtime STATIC IMPORTED GLOBAL)
add_library(wasmtime::wasmtime ALIAS weir_wasmtime)
set_target_properties(weir_wasmtime PROPERTIES
  IMPORTED_LOCATION ${_root}/lib/libweir_wasmtime.a
  INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${_root}/include
  INTERFACE_INCLUDE_DIRECTORIES ${_root}/include
  INTERFACE_LINK_LIBRARIES "Threads::Threads;dl;m")
