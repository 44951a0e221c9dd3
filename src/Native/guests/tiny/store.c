// A client of Xenstore that knows one thing: control/shutdown.
//
// It never waits. Requests go into the ring, and answers are taken as they come, told apart by the request's id:
//   watch fires -> read the node -> it has a word that we know -> write an empty one (that is how the toolstack learns
//   that we have seen it) -> when that is answered, do it.
#include "guest.h"
#include "hypercall.h"

#define SHUTDOWN_NODE "control/shutdown"

enum request { REQUEST_OTHER, REQUEST_READ, REQUEST_ACKNOWLEDGE };

static bool read_again;    // the node changed while a read was under way
static bool read_underway;
static enum wish accepted; // acknowledged, but not yet answered

// The message that is being received.
static struct xsd_sockmsg header;
static size_t received; // bytes of header and payload
static char payload[64]; // longer ones are cut off; none that we need is

static void put(const void *bytes, size_t count)
{
    struct xenstore_domain_interface *ring = machine.store;
    const char *from = bytes;
    for (size_t i = 0; i < count; i++)
        ring->req[MASK_XENSTORE_IDX(ring->req_prod + i)] = from[i];
    __atomic_store_n(&ring->req_prod, ring->req_prod + (XENSTORE_RING_IDX)count, __ATOMIC_RELEASE);
}

// Few requests are ever under way, so the ring always has room for one.
static void send(enum xsd_sockmsg_type type, enum request id, const char *body, size_t length)
{
    const struct xsd_sockmsg message = {.type = type, .req_id = id, .len = (uint32_t)length};
    put(&message, sizeof message);
    put(body, length);
    notify(machine.store_port);
}

// For string literals, each with its closing 0 where the protocol wants it.
#define SEND(type, id, literal, length) send(type, id, literal, length)

static void read_node(void)
{
    if (read_underway) {
        read_again = true;
        return;
    }
    read_underway = true;
    read_again = false;
    SEND(XS_READ, REQUEST_READ, SHUTDOWN_NODE, sizeof SHUTDOWN_NODE);
}

void store_start(void)
{
    static const char watch[] = SHUTDOWN_NODE "\0shutdown";
    static const char *const features[] = {"control/feature-poweroff", "control/feature-reboot", "control/feature-suspend"};

    read_underway = read_again = false;
    accepted = WISH_NONE;
    received = 0;
    if (!machine.store)
        return;
    for (size_t i = 0; i < sizeof features / sizeof *features; i++) {
        char body[32];
        const size_t length = strlen(features[i]) + 1;
        memcpy(body, features[i], length);
        body[length] = '1';
        send(XS_WRITE, REQUEST_OTHER, body, length + 1);
    }
    SEND(XS_WATCH, REQUEST_OTHER, watch, sizeof watch);
}

static enum wish take_message(void)
{
    const size_t length = header.len < sizeof payload ? header.len : sizeof payload;
    if (header.type == XS_WATCH_EVENT) {
        read_node();
    } else if (header.req_id == REQUEST_READ) {
        read_underway = false;
        const enum wish wish = header.type == XS_READ ? wish_of(payload, length) : WISH_NONE;
        if (wish != WISH_NONE) {
            accepted = wish;
            SEND(XS_WRITE, REQUEST_ACKNOWLEDGE, SHUTDOWN_NODE, sizeof SHUTDOWN_NODE);
        }
        if (read_again)
            read_node();
    } else if (header.req_id == REQUEST_ACKNOWLEDGE) {
        const enum wish wish = accepted;
        accepted = WISH_NONE;
        return wish;
    }
    return WISH_NONE;
}

enum wish store_read(void)
{
    struct xenstore_domain_interface *ring = machine.store;
    if (!ring)
        return WISH_NONE;

    enum wish wish = WISH_NONE;
    while (wish == WISH_NONE && ring->rsp_cons != __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE)) {
        const char byte = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
        __atomic_store_n(&ring->rsp_cons, ring->rsp_cons + 1, __ATOMIC_RELEASE);
        // The server may wait for room in the ring.
        if (MASK_XENSTORE_IDX(ring->rsp_cons) == 0 || ring->rsp_cons == ring->rsp_prod)
            notify(machine.store_port);

        if (received < sizeof header)
            ((char *)&header)[received] = byte;
        else if (received - sizeof header < sizeof payload)
            payload[received - sizeof header] = byte;
        received++;
        if (received >= sizeof header && received == sizeof header + header.len) {
            received = 0;
            wish = take_message();
        }
    }
    return wish;
}
