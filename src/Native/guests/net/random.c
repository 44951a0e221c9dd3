// Numbers that others cannot guess, if the processor has them; else ones that differ between guests and starts.
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "lwip/arch.h"

static bool has_rdrand(void)
{
    uint32_t a = 1, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c & 1u << 30;
}

static bool rdrand(uint64_t *number)
{
    bool ok;
    __asm__ volatile("rdrand %0; setc %1" : "=r"(*number), "=q"(ok) : : "cc");
    return ok;
}

uint32_t random_number(void)
{
    static uint64_t state;
    uint64_t number;
    if (has_rdrand() && rdrand(&number))
        return (uint32_t)number;
    // Marsaglia's xorshift, stirred by the time
    state ^= time_stamp() | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}
