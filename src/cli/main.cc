#include "cli/app.h"

int main(int argc, char** argv) { return weir::cli::Main(argc, argv); }
