#include "clock.h"

#include "machine.h"

static int64_t offset; // of clock_now against Xen's time
static uint64_t suspended_at;

// Xen writes an odd version before it changes the fields, and an even one afterwards.
static struct vcpu_time_info read_time(void)
{
    const volatile struct vcpu_time_info *source = &machine.shared->vcpu_info[0].time;
    struct vcpu_time_info copy;
    do {
        copy.version = source->version;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        copy.tsc_timestamp = source->tsc_timestamp;
        copy.system_time = source->system_time;
        copy.tsc_to_system_mul = source->tsc_to_system_mul;
        copy.tsc_shift = source->tsc_shift;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (copy.version & 1 || copy.version != source->version);
    return copy;
}

static uint64_t scale(const struct vcpu_time_info *time, uint64_t stamps)
{
    stamps = time->tsc_shift < 0 ? stamps >> -time->tsc_shift : stamps << time->tsc_shift;
    __extension__ const unsigned __int128 product = (unsigned __int128)stamps * time->tsc_to_system_mul;
    return (uint64_t)(product >> 32);
}

static uint64_t xen_now(void)
{
    const struct vcpu_time_info time = read_time();
    return time.system_time + scale(&time, time_stamp() - time.tsc_timestamp);
}

uint64_t clock_now(void)
{
    return xen_now() + (uint64_t)offset;
}

uint64_t clock_utc(void)
{
    const volatile struct shared_info *shared = machine.shared;
    uint64_t boot; // of the host
    uint32_t version;
    do {
        version = shared->wc_version;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        boot = ((uint64_t)shared->wc_sec_hi << 32 | shared->wc_sec) * 1000000000 + shared->wc_nsec;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (version & 1 || version != shared->wc_version);
    return (boot + xen_now()) / 1000000000;
}

uint64_t clock_of_stamps(uint64_t stamps)
{
    const struct vcpu_time_info time = read_time();
    return scale(&time, stamps);
}

uint64_t clock_to_xen(uint64_t time)
{
    return time - (uint64_t)offset;
}

void clock_suspend(void)
{
    suspended_at = clock_now();
}

void clock_resume(void)
{
    offset = (int64_t)(suspended_at - xen_now());
}
