// Time, as Xen tells it by way of the processor's time stamp.
#pragma once

#include <stdint.h>

// Nanoseconds since some moment before the guest's start; goes on where it was after a suspend, on whichever host.
uint64_t clock_now(void);
// Seconds since 1970, UTC.
uint64_t clock_utc(void);
// Nanoseconds for a difference of time stamps.
uint64_t clock_of_stamps(uint64_t stamps);
// The time by which Xen knows one of clock_now.
uint64_t clock_to_xen(uint64_t time);
// To be called around a suspend: another host counts from another moment.
void clock_suspend(void);
void clock_resume(void);

static inline uint64_t time_stamp(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}
