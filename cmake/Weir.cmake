# How every folder is built. weir_library(NAME sources…): object code for libweir; FILE_test.cc beside it: weir_test(NAME).
find_package(Threads REQUIRED)
# `cmake --install build --prefix P` (after `make build`): each target says where it belongs.
include(GNUInstallDirs)
file(RELATIVE_PATH WEIR_PKGCONFIG_TO_INCLUDE /${CMAKE_INSTALL_LIBDIR}/pkgconfig /${CMAKE_INSTALL_INCLUDEDIR})
add_library(weir_flags INTERFACE)
target_include_directories(weir_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_options(weir_flags INTERFACE -Wall -Wextra -Wno-missing-field-initializers -fno-omit-frame-pointer)
target_link_libraries(weir_flags INTERFACE Threads::Threads)
if(WEIR_WERROR)
  target_compile_options(weir_flags INTERFACE -Werror)
endif()
if(WEIR_SANITIZE STREQUAL "address")
  # Not vptr: it reads an object's type from its vtable, and those of the core have none (-fno-rtti). Where an object of the core,
  # be it the count of a shared_ptr, is used in a file with RTTI (weir, its tests), it calls every one of them invalid.
  target_compile_options(weir_flags INTERFACE -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined)
  target_link_options(weir_flags INTERFACE -fsanitize=address,undefined)
elseif(WEIR_SANITIZE STREQUAL "thread")
  target_compile_options(weir_flags INTERFACE -fsanitize=thread)
  target_link_options(weir_flags INTERFACE -fsanitize=thread)
endif()
add_library(weir_core_flags INTERFACE)  # the core: no exceptions, no RTTI
target_link_libraries(weir_core_flags INTERFACE weir_flags)
# Nobody replaces a function of ours at load time: calls inside libweir may be inlined and need no PLT. Two members written
# one by one and read at once as a vector wait for the store: no such vectors.
target_compile_options(weir_core_flags INTERFACE -fno-exceptions -fno-rtti -fno-semantic-interposition
  -fno-tree-slp-vectorize)

# A folder of the core: target weir_NAME. The rest: PUBLIC libraries it needs.
function(weir_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(weir_${name} STATIC ${arg_SOURCES})
  set_target_properties(weir_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(weir_${name} PUBLIC weir_core_flags ${arg_DEPENDS})
  set_property(GLOBAL APPEND PROPERTY WEIR_LIBRARIES weir_${name})
endfunction()

if(WEIR_TESTS)
  find_package(GTest REQUIRED)
endif()
# weir_add_test(NAME LABEL COMMAND …): every test is made here, so that each has a time-out and what its sanitizer has to know.
function(weir_add_test name label)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 600)
  if(WEIR_SANITIZE STREQUAL "thread")
    # Wasmtime makes a trap's backtrace in the handler of the guest's own, synchronous signal.
    set_property(TEST ${name} PROPERTY ENVIRONMENT "TSAN_OPTIONS=report_signal_unsafe=0 suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp")
  endif()
endfunction()
# weir_test(NAME SOURCES … DEPENDS … [LABEL unit|conformance|slow]): an executable NAME of GoogleTests, one ctest each file.
function(weir_test name)
  if(NOT WEIR_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "LABEL" "SOURCES;DEPENDS" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE weir_flags ${arg_DEPENDS} GTest::gtest GTest::gtest_main)
  weir_add_test(${name} ${arg_LABEL} ${name})
endfunction()
