// Dates.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Seconds since 1970 as RFC 867 shows a time: "Monday, November 23, 2026 02:32:05-UTC". Returns the length.
size_t calendar_format(char *text, size_t size, uint64_t seconds);
