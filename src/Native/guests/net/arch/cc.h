// What lwIP wants to know of the compiler and the machine.
#pragma once

#include <stdint.h>
#include <sys/types.h> // ssize_t

#include "power.h"

#define LWIP_NO_CTYPE_H 1
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_INTTYPES_H 1
#define BYTE_ORDER LITTLE_ENDIAN

#define LWIP_PLATFORM_DIAG(text) do { } while (0)
#define LWIP_PLATFORM_ASSERT(text) power_crash(text)

uint32_t random_number(void);
#define LWIP_RAND() random_number()
