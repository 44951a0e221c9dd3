#include "events.h"

#include "clock.h"
#include "hypercall.h"
#include "machine.h"

#include <xen/sched.h>

enum { MOST_PORTS = 16 };

static struct {
    evtchn_port_t port; // 0: unused
    bool fresh;         // to be called, event or none
    void (*handle)(void);
} bound[MOST_PORTS];

void events_bind(evtchn_port_t port, void (*handle)(void))
{
    for (unsigned i = 0; i < MOST_PORTS; i++) {
        if (bound[i].port == 0) {
            bound[i].port = port;
            bound[i].fresh = true;
            bound[i].handle = handle;
            return;
        }
    }
    __builtin_trap(); // more devices than this kernel has drivers for
}

void events_again(evtchn_port_t port)
{
    for (unsigned i = 0; i < MOST_PORTS; i++) {
        if (port != 0 && bound[i].port == port)
            bound[i].fresh = true;
    }
}

evtchn_port_t events_offer(domid_t to, void (*handle)(void))
{
    struct evtchn_alloc_unbound allocate = {.dom = DOMID_SELF, .remote_dom = to};
    if (hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, address_of(&allocate), 0, 0))
        return 0;
    events_bind(allocate.port, handle);
    return allocate.port;
}

void events_close(evtchn_port_t port)
{
    for (unsigned i = 0; i < MOST_PORTS; i++) {
        if (port != 0 && bound[i].port == port) {
            struct evtchn_close close = {.port = port};
            hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_close, address_of(&close), 0, 0);
            bound[i].port = 0;
        }
    }
}

void events_forget(void)
{
    for (unsigned i = 0; i < MOST_PORTS; i++)
        bound[i].port = 0;
}

// Takes the event, if there is one. Who then looks at a ring misses nothing: what comes later makes a new event.
static bool take(evtchn_port_t port)
{
    const uint64_t bit = 1UL << port % 64;
    return __atomic_fetch_and(&machine.shared->evtchn_pending[port / 64], ~bit, __ATOMIC_SEQ_CST) & bit;
}

void events_handle(void)
{
    for (unsigned i = 0; i < MOST_PORTS; i++) {
        if (bound[i].port != 0 && (take(bound[i].port) || bound[i].fresh)) {
            bound[i].fresh = false;
            bound[i].handle();
        }
    }
}

// Xen returns at once if an event came since it was last taken, or if the time has come.
static void poll(evtchn_port_t *ports, unsigned count, uint64_t until)
{
    struct sched_poll poll = {.nr_ports = count, .timeout = until == NEVER ? 0 : clock_to_xen(until)};
    set_xen_guest_handle(poll.ports, ports);
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, address_of(&poll), 0, 0);
}

void events_sleep(uint64_t until)
{
    evtchn_port_t ports[MOST_PORTS];
    unsigned count = 0;
    for (unsigned i = 0; i < MOST_PORTS; i++) {
        if (bound[i].port == 0)
            continue;
        if (bound[i].fresh)
            return;
        ports[count++] = bound[i].port;
    }
    // Nothing could ever wake us, and a poll of no port without a time returns at once.
    while (count == 0 && until == NEVER)
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_block, 0, 0, 0);
    poll(ports, count, until);
}

void events_await(evtchn_port_t port)
{
    poll(&port, 1, NEVER);
    take(port);
}
