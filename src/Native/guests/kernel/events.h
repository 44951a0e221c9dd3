// Event channels. There are no interrupts: the guest's loop asks which ports have something, and sleeps until one has.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

// A time that never comes.
#define NEVER UINT64_MAX

// From now on, the function is called when the port has an event, and once at first: it may have had one before.
void events_bind(evtchn_port_t port, void (*handle)(void));
// A new port to which a domain can bind its own; 0 when there is none.
evtchn_port_t events_offer(domid_t to, void (*handle)(void));
// The function is called once more, event or none: somebody has left something for it.
void events_again(evtchn_port_t port);
// No more calls; the port is closed.
void events_close(evtchn_port_t port);
// Forgets all ports, which have gone with the domain that we were.
void events_forget(void);

// Calls the functions of all ports that have events.
void events_handle(void);
// Sleeps until a bound port has an event, or the clock (clock.h) shows the given time.
void events_sleep(uint64_t until);
// Sleeps until this port has an event, and takes it; for who waits for an answer and does nothing else meanwhile.
void events_await(evtchn_port_t port);
