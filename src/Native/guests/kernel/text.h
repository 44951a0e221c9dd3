// Text from values.
#pragma once

#include <stdarg.h>
#include <stddef.h>

// C's snprintf in small: %s, %c, %d, %u and %x, with a width, the flag 0, and the lengths l and z. Writes at most size bytes with the
// closing 0, and returns how many it wrote, without that.
__attribute__((format(printf, 3, 4))) size_t format(char *text, size_t size, const char *form, ...);
__attribute__((format(printf, 3, 0))) size_t format_list(char *text, size_t size, const char *form, va_list values);
