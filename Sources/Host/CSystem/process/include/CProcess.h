// The arguments of the process as C's main gets them.
#pragma once

/// The number of arguments, the program's name included.
int pg_argument_count(void);

/// The argument with that index. Valid as long as the process.
const char *pg_argument(int index);
