# nginx's C headers: the target nginx::headers. Two of them (ngx_auto_config.h, ngx_auto_headers.h) are made by nginx's own
# configure, once in the build tree (some seconds of compiler probes; no code of nginx is compiled).
#   -DNGINX_SRC=DIR   source tree (default: that of Debian's nginx-dev)
#   -DNGINX_BIN=FILE  the nginx that the module is for
set(NGINX_SRC "/usr/share/nginx/src" CACHE PATH "nginx's source, or the tree of nginx-dev")
find_program(NGINX_BIN nginx PATHS /usr/sbin /usr/local/sbin)
if(NOT EXISTS "${NGINX_SRC}/src/core/nginx.h")
  message(FATAL_ERROR "no nginx headers in ${NGINX_SRC}: apt-get install nginx-dev, or -DNGINX_SRC=DIR, or -DWEIR_NGINX=OFF")
endif()
file(STRINGS "${NGINX_SRC}/src/core/nginx.h" nginx_version REGEX "define NGINX_VERSION ")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" nginx_version "${nginx_version}")

set(nginx_config "${CMAKE_BINARY_DIR}/nginx-${nginx_version}")
if(NOT EXISTS "${nginx_config}/objs/ngx_auto_headers.h" OR NOT EXISTS "${nginx_config}/configured")
  message(STATUS "nginx ${nginx_version}: generating ngx_auto_config.h")
  file(REMOVE_RECURSE "${nginx_config}")
  file(COPY "${NGINX_SRC}/" DESTINATION "${nginx_config}")
  # Debian ships the flags of its package as a bash array; elsewhere --with-compat makes the module fit.
  file(WRITE "${nginx_config}/weir-configure.sh" [[
set -e
cd "$(dirname "$0")"
NGX_CONF_FLAGS=(--with-compat --with-threads --with-http_ssl_module --with-http_v2_module --with-http_realip_module)
[ -f conf_flags ] && . ./conf_flags
sh ./configure "${NGX_CONF_FLAGS[@]}" --with-cc-opt=-fPIC
touch configured
]])
  execute_process(COMMAND bash "${nginx_config}/weir-configure.sh" RESULT_VARIABLE nginx_failed
    OUTPUT_FILE "${nginx_config}/configure.log" ERROR_FILE "${nginx_config}/configure.log")
  if(nginx_failed)
    message(FATAL_ERROR "nginx's configure failed, see ${nginx_config}/configure.log")
  endif()
endif()

add_library(nginx_headers INTERFACE)
add_library(nginx::headers ALIAS nginx_headers)
target_include_directories(nginx_headers SYSTEM INTERFACE
  "${nginx_config}/objs" "${nginx_config}/src/core" "${nginx_config}/src/event" "${nginx_config}/src/event/modules"
  "${nginx_config}/src/os/unix" "${nginx_config}/src/stream" "${nginx_config}/src/http" "${nginx_config}/src/http/modules"
  "${nginx_config}/src/http/v2")
