#include "CProcess.h"

static int count = 0;
static char **arguments = 0;

// glibc passes the arguments of main to the constructors of a program. Swift's CommandLine reads /proc/self/cmdline instead:
// that ends the process where /proc is missing, and shows a loader's arguments where the program was started by one.
__attribute__((constructor)) static void keep_arguments(int argc, char **argv) {
  count = argc;
  arguments = argv;
}

int pg_argument_count(void) { return count; }

const char *pg_argument(int index) { return arguments[index]; }
