// tiny: a guest of a few kilobytes that says hello, sleeps, and does as it is told by its console and by Xenstore.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

// What the domain builder has given us. The kind of guest (pv.c) fills it in at start and after each suspend.
struct machine {
    const char *kind;
    const char *command_line;
    struct shared_info *shared;
    struct xencons_interface *console; // NULL: no console
    evtchn_port_t console_port;
    struct xenstore_domain_interface *store; // NULL: no Xenstore
    evtchn_port_t store_port;

    // Stops until the domain runs again, here or elsewhere; true when it did not stop. Fills the fields anew.
    bool (*suspend)(void);
};
extern struct machine machine;

// What the guest can be asked to do, on its command line, its console, or in Xenstore's control/shutdown.
enum wish { WISH_NONE, WISH_POWEROFF, WISH_REBOOT, WISH_CRASH, WISH_SUSPEND, WISH_SPIN, WISH_HELP };

_Noreturn void guest_main(void);

// The kind of a word, which need not end with a 0; WISH_NONE when it means nothing.
enum wish wish_of(const char *word, size_t length);

// --- console.c: does nothing when there is no console ---

// Text is dropped when nobody empties the console's ring: a guest must not stop because nobody listens.
void print(const char *text);
void print_bytes(const char *bytes, size_t count);
// Echoes what was typed; the wish of the line that was completed, if any.
enum wish console_read(void);

// --- store.c: does nothing when there is no Xenstore ---

// Says what we can do and asks to be told of control/shutdown.
void store_start(void);
// Takes in what Xenstore has sent; never waits for it.
enum wish store_read(void);

// --- libc.c: what the compiler takes for granted ---

void *memcpy(void *restrict target, const void *restrict source, size_t count);
void *memset(void *target, int value, size_t count);
size_t strlen(const char *text);
