#include "netfront.h"

#include "bus.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"
#include "machine.h"

#define xen_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#include <xen/io/netif.h>
#pragma GCC diagnostic ignored "-Wsign-conversion" // of the ring's macros

// Fewer receive buffers will do where memory is short; but a backend gives us a large frame only when one has room that takes 64 KiB.
enum { TRANSMIT_BUFFERS = 64, RECEIVE_BUFFERS = 128, FEWEST_BUFFERS = 8, FEWEST_FOR_UNCUT = 2 * 18, RING_SLOTS = 256 };
enum { MOST_PARTS = LONGEST_UNCUT / PAGE_SIZE };

static const struct netfront_user *user;
static evtchn_port_t port; // 0: no backend has our rings
static bool is_up;
static uint8_t mac[6];
static bool fills_checksums, cuts;

static struct {
    struct granted ring;
    struct netif_tx_front_ring front;
    struct granted buffers[TRANSMIT_BUFFERS];
    bool under_way[TRANSMIT_BUFFERS];
    unsigned search_from, chosen[MOST_PARTS];
} transmit;

static struct {
    struct granted ring;
    struct netif_rx_front_ring front;
    struct granted buffers[RECEIVE_BUFFERS];
    // The buffer of each slot of the ring. A response is in the slot of its request; what it says of that is not asked.
    uint8_t in_slot[RING_SLOTS];
    bool more;     // of the frame is to come
    bool verified;
    bool extra;    // the next slot is no response, but describes the frame
} receive;

// --- transmit ---

static void take_back_sent(void)
{
    const RING_IDX end = __atomic_load_n(&transmit.front.sring->rsp_prod, __ATOMIC_ACQUIRE);
    for (; transmit.front.rsp_cons != end; transmit.front.rsp_cons++) {
        // What describes a frame has no buffer, and no answer.
        const struct netif_tx_response response = *RING_GET_RESPONSE(&transmit.front, transmit.front.rsp_cons);
        if (response.status != NETIF_RSP_NULL && response.id < TRANSMIT_BUFFERS)
            transmit.under_way[response.id] = false;
    }
}

static unsigned parts_of(size_t length)
{
    return (unsigned)((length + PAGE_SIZE - 1) / PAGE_SIZE);
}

static bool choose_buffers(unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < TRANSMIT_BUFFERS && found < count; i++) {
        const unsigned candidate = (transmit.search_from + i) % TRANSMIT_BUFFERS;
        if (!transmit.under_way[candidate])
            transmit.chosen[found++] = candidate;
    }
    return found == count;
}

// The backend is asked to tell when it has sent something only when too many buffers are under way.
bool netfront_room(size_t length)
{
    const unsigned count = parts_of(length);
    if (!is_up || count > MOST_PARTS)
        return false;
    take_back_sent();
    if (choose_buffers(count))
        return true;
    int more;
    RING_FINAL_CHECK_FOR_RESPONSES(&transmit.front, more);
    if (!more)
        return false;
    take_back_sent();
    return choose_buffers(count);
}

void *netfront_part(unsigned number)
{
    return transmit.buffers[transmit.chosen[number]].page;
}

static void ask_to_cut(uint16_t segment)
{
    struct netif_extra_info *const extra = (struct netif_extra_info *)RING_GET_REQUEST(&transmit.front, transmit.front.req_prod_pvt++);
    memset(extra, 0, sizeof *extra);
    extra->type = XEN_NETIF_EXTRA_TYPE_GSO;
    extra->u.gso.size = segment;
    extra->u.gso.type = XEN_NETIF_GSO_TYPE_TCPV4;
}

// There are slots for it: fewer than four for each of the buffers are under way.
void netfront_send(size_t length, bool blank, uint16_t segment)
{
    const unsigned count = parts_of(length);
    size_t rest = length;
    for (unsigned i = 0; i < count; i++) {
        const unsigned buffer = transmit.chosen[i];
        struct netif_tx_request *const request = RING_GET_REQUEST(&transmit.front, transmit.front.req_prod_pvt++);
        request->gref = transmit.buffers[buffer].reference;
        request->offset = 0;
        request->flags = i + 1 < count ? NETTXF_more_data : 0;
        request->id = (uint16_t)buffer;
        // That of the first is the frame's.
        request->size = (uint16_t)(i == 0 ? length : rest < PAGE_SIZE ? rest : PAGE_SIZE);
        rest -= rest < PAGE_SIZE ? rest : PAGE_SIZE;
        transmit.under_way[buffer] = true;
        transmit.search_from = buffer + 1;
        if (i > 0)
            continue;
        if (blank)
            request->flags |= NETTXF_csum_blank | NETTXF_data_validated;
        if (segment > 0) {
            request->flags |= NETTXF_extra_info;
            ask_to_cut(segment);
        }
    }
    int wanted;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&transmit.front, wanted);
    if (wanted)
        notify(port);
}

// --- receive ---

// Puts a buffer at the backend's disposal, once the ring is pushed.
static void offer(unsigned buffer)
{
    const RING_IDX slot = receive.front.req_prod_pvt++;
    struct netif_rx_request *request = RING_GET_REQUEST(&receive.front, slot);
    receive.in_slot[slot % RING_SLOTS] = (uint8_t)buffer;
    request->id = (uint16_t)(slot % RING_SLOTS);
    request->pad = 0;
    request->gref = receive.buffers[buffer].reference;
}

static void push_offers(void)
{
    int wanted;
    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&receive.front, wanted);
    if (wanted)
        notify(port);
}

static void take_response(const struct netif_rx_response *response, const char *page)
{
    if (receive.extra) {
        receive.extra = ((const struct netif_extra_info *)response)->flags & XEN_NETIF_EXTRA_FLAG_MORE;
        return;
    }
    const bool is_part = response->status > 0 && response->offset + response->status <= PAGE_SIZE;
    if (!receive.more)
        receive.verified = response->flags & (NETRXF_data_validated | NETRXF_csum_blank);
    receive.more = response->flags & NETRXF_more_data;
    receive.extra = response->flags & NETRXF_extra_info;
    user->received(is_part ? page + response->offset : NULL, is_part ? (size_t)response->status : 0, receive.more, receive.verified);
}

static void on_event(void)
{
    int more;
    take_back_sent();
    do {
        const RING_IDX end = __atomic_load_n(&receive.front.sring->rsp_prod, __ATOMIC_ACQUIRE);
        const RING_IDX begin = receive.front.rsp_cons;
        if (end - begin > RING_SLOTS)
            return; // no backend does so
        while (receive.front.rsp_cons != end) {
            // The backend cannot change a copy while it is looked at.
            const struct netif_rx_response response = *RING_GET_RESPONSE(&receive.front, receive.front.rsp_cons);
            const unsigned buffer = receive.in_slot[receive.front.rsp_cons % RING_SLOTS];
            receive.front.rsp_cons++;
            take_response(&response, receive.buffers[buffer].page);
            offer(buffer);
        }
        if (end != begin)
            push_offers();
        RING_FINAL_CHECK_FOR_RESPONSES(&receive.front, more);
    } while (more);
}

// --- the bus ---

// The backend copies out of our frames, and into what we receive; it need not write into the former.
static bool grant_all(domid_t backend, unsigned *receive_buffers)
{
    if (!grants_give(&transmit.ring, backend, false) || !grants_give(&receive.ring, backend, false))
        return false;
    for (unsigned i = 0; i < TRANSMIT_BUFFERS; i++) {
        if (!grants_give(&transmit.buffers[i], backend, true))
            return false;
    }
    unsigned count = 0;
    while (count < RECEIVE_BUFFERS && grants_give(&receive.buffers[count], backend, false))
        count++;
    *receive_buffers = count;
    return count >= FEWEST_BUFFERS;
}

static void disconnect(void)
{
    if (is_up)
        user->down();
    is_up = false;
    events_close(port);
    port = 0;
    grants_end(&transmit.ring);
    grants_end(&receive.ring);
    for (unsigned i = 0; i < TRANSMIT_BUFFERS; i++)
        grants_end(&transmit.buffers[i]);
    for (unsigned i = 0; i < RECEIVE_BUFFERS; i++)
        grants_end(&receive.buffers[i]);
}

static bool connect(const struct vif_offer *vif, struct vif_rings *rings)
{
    unsigned count;
    disconnect();
    if (!grant_all(vif->backend, &count) || !(port = events_offer(vif->backend, on_event))) {
        disconnect();
        return false;
    }
    struct netif_tx_sring *const transmit_ring = transmit.ring.page;
    struct netif_rx_sring *const receive_ring = receive.ring.page;
    memset(transmit_ring, 0, PAGE_SIZE);
    memset(receive_ring, 0, PAGE_SIZE);
    XEN_FRONT_RING_INIT(&transmit.front, transmit_ring, PAGE_SIZE);
    XEN_FRONT_RING_INIT(&receive.front, receive_ring, PAGE_SIZE);
    memset(transmit.under_way, 0, sizeof transmit.under_way);
    receive.more = receive.extra = false;
    for (unsigned i = 0; i < count; i++)
        offer(i);
    RING_PUSH_REQUESTS(&receive.front);
    memcpy(mac, vif->mac, sizeof mac);
    fills_checksums = vif->fills_checksums;
    cuts = vif->cuts;
    *rings = (struct vif_rings){transmit.ring.reference, receive.ring.reference, port, count >= FEWEST_FOR_UNCUT};
    return true;
}

static void connected(void)
{
    if (is_up || port == 0)
        return;
    is_up = true;
    push_offers();
    user->up(mac, fills_checksums, cuts);
}

void netfront_start(const struct netfront_user *the_user)
{
    static const struct vif_driver driver = {connect, connected, disconnect};
    user = the_user;
    bus_drive_vif(&driver);
}
