// What every guest is told by Xen and its domain builder, whether it is PV (pv.c) or PVH (pvh.c).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

#define PAGE_SIZE 4096

// Memory is mapped one to one: an address is a place in the guest's memory.
struct machine {
    const char *kind; // "PV" or "PVH"
    bool is_pv;
    const char *command_line;
    struct shared_info *shared;
    struct xencons_interface *console; // NULL: no console
    evtchn_port_t console_port;
    struct xenstore_domain_interface *store; // NULL: no Xenstore
    evtchn_port_t store_port;
    const void *store_place; // the page in the place of a store's ring, where there is no store; NULL: none

    // Stops until the domain runs again, here or elsewhere; true when it did not stop, and all is as before. Fills the
    // fields anew.
    bool (*suspend)(void);
};
extern struct machine machine;

// The processor's time stamp at the very first instruction.
extern const uint64_t entered_at;

// The first address after the image.
extern char image_end[];

// Where pv.c and pvh.c go once the machine is known: each guest, or its kernel, has one.
_Noreturn void guest_main(void);

// Memory that is nobody's: whole pages, mapped and writable.
struct memory {
    uint64_t begin, end; // addresses
};

// The same questions to both kinds. What a guest does not ask is not linked into it.
struct memory pv_free_memory(void);
struct memory pvh_free_memory(void);
// The number by which Xen and other domains know the page at an address.
uint64_t pv_frame_of(const volatile void *address);
uint64_t pvh_frame_of(const volatile void *address);
// Maps the first frame of the grant table over the given page; again after each suspend that was one.
bool pv_map_grant_table(void *page);
bool pvh_map_grant_table(void *page);
// The page by which LightVM's own hypervisor lists our devices, mapped; NULL where it has none. To be asked again after each suspend that was one.
const void *pv_hypervisor_page(void);
// Makes room for a page of another domain in the place of one of ours; once for each.
bool pvh_make_hole(const void *page);

// --- libc.c: what the compiler takes for granted, and C's library functions that are used ---

void *memcpy(void *restrict target, const void *restrict source, size_t count);
void *memmove(void *target, const void *source, size_t count);
void *memset(void *target, int value, size_t count);
int memcmp(const void *one, const void *other, size_t count);
size_t strlen(const char *text);
int strcmp(const char *one, const char *other);
int strncmp(const char *one, const char *other, size_t count);
