// Hypercalls, by way of the page that Xen fills with their entry points.
#pragma once

#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/sched.h>

extern char hypercall_page[];

static inline long hypercall(unsigned number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    long result;
    register uint64_t r10 __asm__("r10") = d;
    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
                     : [entry] "r"(hypercall_page + number * 32)
                     : "memory", "rcx", "r8", "r9", "r11");
    return result;
}

static inline uint64_t address_of(const volatile void *object)
{
    return (uint64_t)(uintptr_t)object;
}

static inline void notify(evtchn_port_t port)
{
    struct evtchn_send send = {.port = port};
    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address_of(&send), 0, 0);
}
