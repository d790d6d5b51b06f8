// planted.c without its bugs, whatever the configuration says.
#define MENDED
#include "planted.c"
