# -DMODULE= -DNGINX= : both hold a string like "8,4,8,0011…", which nginx compares when it loads the module. A difference
# is seen here, when the module is built.
function(signature file out)
  file(STRINGS "${file}" found REGEX "^[48],[48],[48],[01]+" LIMIT_COUNT 1)
  string(REGEX MATCH "[48],[48],[48],[01]+" found "${found}")
  set(${out} "${found}" PARENT_SCOPE)
endfunction()
signature("${MODULE}" module_signature)
signature("${NGINX}" nginx_signature)
if(NOT module_signature OR NOT module_signature STREQUAL nginx_signature)
  message(FATAL_ERROR "the module's signature ${module_signature} is not ${NGINX}'s ${nginx_signature}: "
    "build it with the headers of that nginx (-DNGINX_SRC=DIR)")
endif()
