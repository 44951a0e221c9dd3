// Memory by the page, out of what the builder has left free.
#pragma once

#include <stddef.h>

// Pages in a row, filled with zeros, for good; NULL when there are not so many.
void *pages_take(size_t count);
// How many there still are.
size_t pages_free(void);
