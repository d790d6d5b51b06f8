// nginx's stream headers for C++. Only the files of ngx_stream_weir_module.so include them.
#pragma once

#include "nginx/ngx.h"

extern "C" {
#include <ngx_stream.h>
}

extern "C" ngx_module_t ngx_stream_weir_module;
