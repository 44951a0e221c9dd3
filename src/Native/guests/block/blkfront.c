#include "blkfront.h"

#include "console.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"
#include "machine.h"
#include "pages.h"

#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/io/blkif.h>
#pragma GCC diagnostic ignored "-Wsign-conversion" // of the ring's macros

enum { SECTORS_OF_PAGE = PAGE_SIZE / DISK_SECTOR };

static const struct blkfront_user *user;
static unsigned requests_wanted, pages_wanted;
static struct granted ring;
static struct blkif_front_ring front;
static evtchn_port_t port; // 0: no backend has our ring
static bool is_up;
static bool is_settled;

static struct {
    struct granted pages[DISK_PAGES];
    enum { FREE, CHOSEN, ASKED } state;
    bool is_put; // into the ring of this backend
    enum disk_operation operation;
    uint64_t sector, sectors;
} table[DISK_REQUESTS];

int blkfront_free(void)
{
    for (unsigned i = 0; is_up && i < requests_wanted; i++) {
        if (table[i].state == FREE) {
            table[i].state = CHOSEN;
            return (int)i;
        }
    }
    return -1;
}

void blkfront_leave(unsigned request)
{
    table[request].state = FREE;
}

void *blkfront_page(unsigned request, unsigned page)
{
    return table[request].pages[page].page;
}

// Puts a request into the ring, of which there is one slot for each.
static void put(unsigned number)
{
    struct blkif_request *const request = RING_GET_REQUEST(&front, front.req_prod_pvt);
    front.req_prod_pvt++;
    table[number].is_put = true;
    memset(request, 0, sizeof *request);
    request->operation = (uint8_t)table[number].operation;
    request->id = number;
    request->sector_number = table[number].sector;
    if (table[number].operation == DISK_DISCARD) {
        ((struct blkif_request_discard *)request)->nr_sectors = table[number].sectors;
        return;
    }
    if (table[number].operation != DISK_READ && table[number].operation != DISK_WRITE)
        return;
    for (uint64_t left = table[number].sectors; left > 0;) {
        const uint64_t here = left < SECTORS_OF_PAGE ? left : SECTORS_OF_PAGE;
        struct blkif_request_segment *const segment = &request->seg[request->nr_segments];
        segment->gref = table[number].pages[request->nr_segments].reference;
        segment->first_sect = 0;
        segment->last_sect = (uint8_t)(here - 1);
        request->nr_segments++;
        left -= here;
    }
}

static void push(void)
{
    int wanted;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&front, wanted);
    if (wanted)
        notify(port);
}

void blkfront_ask(unsigned number, enum disk_operation operation, uint64_t sector, uint64_t sectors)
{
    table[number].state = ASKED;
    table[number].is_put = false;
    table[number].operation = operation;
    table[number].sector = sector;
    table[number].sectors = sectors;
    if (!is_up || is_settled)
        return; // put_all does it
    put(number);
    push();
}

static void on_event(void)
{
    int more = is_up;
    while (more) {
        const RING_IDX end = __atomic_load_n(&front.sring->rsp_prod, __ATOMIC_ACQUIRE);
        if (end - front.rsp_cons > DISK_REQUESTS)
            return; // no backend does so
        while (front.rsp_cons != end) {
            // The backend cannot change a copy while it is looked at.
            const struct blkif_response response = *RING_GET_RESPONSE(&front, front.rsp_cons);
            front.rsp_cons++;
            if (response.id >= requests_wanted || table[response.id].state != ASKED || !table[response.id].is_put)
                continue;
            table[response.id].state = FREE;
            user->done((unsigned)response.id, response.status);
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&front, more);
    }
}

// --- the bus ---

static bool grant_all(domid_t backend)
{
    if (!grants_give(&ring, backend, false))
        return false;
    for (unsigned i = 0; i < requests_wanted; i++) {
        for (unsigned page = 0; page < pages_wanted; page++) {
            if (!grants_give(&table[i].pages[page], backend, false))
                return false;
        }
    }
    return true;
}

// A page that the backend still has mapped is left to it; what is asked anew needs what was in it. Without memory for that there is no page,
// and then no ring either: rather no disk than a write of something else.
static void take_back(struct granted *page, bool is_needed)
{
    const void *const before = page->page;
    grants_end(page);
    if (!is_needed || !before || page->page)
        return;
    page->page = pages_take(1);
    if (page->page)
        memcpy(page->page, before, PAGE_SIZE);
}

static void disconnect(void)
{
    if (is_up)
        user->down();
    is_up = is_settled = false;
    for (unsigned i = 0; i < requests_wanted; i++)
        table[i].is_put = false;
    events_close(port);
    port = 0;
    grants_end(&ring);
    for (unsigned i = 0; i < requests_wanted; i++) {
        for (unsigned page = 0; page < pages_wanted; page++)
            take_back(&table[i].pages[page], table[i].state != FREE);
    }
}

static bool connect(const struct vbd_offer *offer, struct vbd_ring *offered)
{
    disconnect();
    if (!grant_all(offer->backend) || !(port = events_offer(offer->backend, on_event))) {
        disconnect();
        return false;
    }
    struct blkif_sring *const shared = ring.page;
    memset(shared, 0, PAGE_SIZE);
    XEN_FRONT_RING_INIT(&front, shared, PAGE_SIZE);
    *offered = (struct vbd_ring){ring.reference, port};
    return true;
}

// What was asked for while there was nobody to ask.
static void put_all(void)
{
    for (unsigned i = 0; i < requests_wanted; i++) {
        if (table[i].state == ASKED && !table[i].is_put)
            put(i);
    }
    push();
}

static void connected(const struct vbd_info *disk)
{
    if (is_up || port == 0)
        return;
    is_up = true;
    put_all();
    user->up(disk);
}

static bool is_waiting(void)
{
    for (unsigned i = 0; i < requests_wanted; i++) {
        if (table[i].state == ASKED && table[i].is_put)
            return true;
    }
    return false;
}

// The backend may go meanwhile, or another come, and then there is no answer to wait for.
static void settle(void)
{
    is_settled = true;
    for (on_event(); is_waiting(); is_settled = true) {
        events_sleep(NEVER);
        events_handle();
        bus_look();
    }
}

static void go_on(void)
{
    is_settled = false;
    if (is_up)
        put_all();
}

void blkfront_start(const struct blkfront_user *the_user, unsigned requests, unsigned pages)
{
    static const struct vbd_driver driver = {connect, connected, disconnect, settle, go_on};
    user = the_user;
    requests_wanted = requests;
    pages_wanted = pages;
    bus_drive_vbd(&driver);
}
