// The wire is one ring for each direction, in a page shared with xenstored (xen/io/xs_wire.h): messages of a header and a
// payload. Requests are answered in their order; events of watches come in between.
#include "store.h"

#include "console.h"
#include "events.h"
#include "hypercall.h"
#include "machine.h"
#include "text.h"

enum { MOST_WATCHES = 4, NO_ANSWER = 0 };

static struct {
    char path[STORE_PATH]; // empty: unused
    void (*changed)(void);
    bool fired;
} watches[MOST_WATCHES];

static uint32_t last_request;
static uint32_t awaited = NO_ANSWER; // the request that somebody waits for
static bool answered;

// The message that is being received, or that was the last. What does not fit is no answer that we need.
static struct xsd_sockmsg header;
static char payload[STORE_VALUE + 1];
static size_t received; // bytes of header and payload

static void put(const void *bytes, size_t count)
{
    struct xenstore_domain_interface *ring = machine.store;
    const char *from = bytes;
    for (size_t i = 0; i < count; i++) {
        while (ring->req_prod - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE) >= XENSTORE_RING_SIZE) {
            notify(machine.store_port);
            events_await(machine.store_port);
        }
        ring->req[MASK_XENSTORE_IDX(ring->req_prod)] = from[i];
        __atomic_store_n(&ring->req_prod, ring->req_prod + 1, __ATOMIC_RELEASE);
    }
}

// The path goes with its closing 0, the rest as it is.
static uint32_t send(enum xsd_sockmsg_type type, const char *path, const char *rest, size_t length)
{
    const size_t path_length = strlen(path) + 1;
    if (++last_request == NO_ANSWER)
        last_request++;
    const struct xsd_sockmsg message = {.type = type, .req_id = last_request, .len = (uint32_t)(path_length + length)};
    put(&message, sizeof message);
    put(path, path_length);
    put(rest, length);
    notify(machine.store_port);
    return message.req_id;
}

// An event is the path and our token, which is the watch's number as a letter.
static void take_event(size_t length)
{
    if (length < 2 || payload[length - 1] != '\0')
        return;
    const unsigned index = (unsigned)(payload[length - 2] - 'a');
    if (index >= MOST_WATCHES)
        return;
    watches[index].fired = true;
    events_again(machine.store_port);
}

static void take_message(void)
{
    const size_t length = header.len < STORE_VALUE ? header.len : STORE_VALUE;
    payload[length] = '\0';
    if (header.type == XS_WATCH_EVENT)
        take_event(length);
    else if (awaited != NO_ANSWER && header.req_id == awaited)
        answered = true;
    else if (header.type == XS_ERROR)
        say("the store refuses: %s", payload);
}

// Takes in what is there, until the awaited answer has come: nothing is read over it.
static void receive(void)
{
    struct xenstore_domain_interface *ring = machine.store;
    bool any = false;
    while (!answered && ring->rsp_cons != __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE)) {
        const char byte = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
        __atomic_store_n(&ring->rsp_cons, ring->rsp_cons + 1, __ATOMIC_RELEASE);
        any = true;
        if (received < sizeof header)
            ((char *)&header)[received] = byte;
        else if (received - sizeof header < STORE_VALUE)
            payload[received - sizeof header] = byte;
        received++;
        if (received >= sizeof header && received == sizeof header + header.len) {
            received = 0;
            take_message();
        }
    }
    if (any)
        notify(machine.store_port); // there is room again
}

static bool await(uint32_t request)
{
    awaited = request;
    answered = false;
    receive();
    while (!answered) {
        events_await(machine.store_port);
        receive();
    }
    awaited = NO_ANSWER;
    answered = false;
    events_again(machine.store_port); // for what has come after the answer
    return header.type != XS_ERROR && header.len <= STORE_VALUE;
}

static void on_event(void)
{
    receive();
    for (unsigned i = 0; i < MOST_WATCHES; i++) {
        if (watches[i].fired) {
            watches[i].fired = false;
            watches[i].changed();
        }
    }
}

bool store_start(void)
{
    memset(watches, 0, sizeof watches);
    received = 0;
    if (!machine.store)
        return false;
    // Of a store that we spoke with before a suspend: nobody waits for it.
    machine.store->rsp_cons = machine.store->rsp_prod;
    events_bind(machine.store_port, on_event);
    return true;
}

bool store_read(const char *path, char *value, size_t size)
{
    if (!await(send(XS_READ, path, NULL, 0)) || header.len >= size)
        return false;
    memcpy(value, payload, header.len + 1);
    return true;
}

// The digits at the beginning; NULL when there are none, else what follows them.
static const char *parse(const char *text, uint64_t *number)
{
    const char *digit = text;
    for (*number = 0; *digit >= '0' && *digit <= '9'; digit++)
        *number = *number * 10 + (uint64_t)(*digit - '0');
    return digit == text ? NULL : digit;
}

bool store_read_number(const char *path, uint64_t *number)
{
    char value[24];
    if (!store_read(path, value, sizeof value))
        return false;
    const char *end = parse(value, number);
    return end && !*end;
}

void store_write(const char *path, const char *value)
{
    send(XS_WRITE, path, value, strlen(value));
}

void store_write_number(const char *path, uint64_t number)
{
    char value[24];
    send(XS_WRITE, path, value, format(value, sizeof value, "%lu", number));
}

void store_settle(void)
{
    await(send(XS_READ, "control", NULL, 0));
}

bool store_first_number(const char *path, unsigned *number)
{
    bool any = false;
    if (!await(send(XS_DIRECTORY, path, NULL, 0)))
        return false;
    for (const char *name = payload; name < payload + header.len; name += strlen(name) + 1) {
        uint64_t value;
        const char *end = parse(name, &value);
        if (end && !*end && value <= UINT32_MAX && (!any || value < *number)) {
            *number = (unsigned)value;
            any = true;
        }
    }
    return any;
}

void store_watch(const char *path, void (*changed)(void))
{
    for (unsigned i = 0; i < MOST_WATCHES; i++) {
        if (watches[i].path[0])
            continue;
        const char token[] = {(char)('a' + i), '\0'};
        format(watches[i].path, STORE_PATH, "%s", path);
        watches[i].changed = changed;
        watches[i].fired = false;
        send(XS_WATCH, path, token, sizeof token);
        return;
    }
    __builtin_trap(); // more than this kernel ever watches
}

void store_unwatch(void (*changed)(void))
{
    for (unsigned i = 0; i < MOST_WATCHES; i++) {
        if (!watches[i].path[0] || watches[i].changed != changed)
            continue;
        const char token[] = {(char)('a' + i), '\0'};
        // What comes until this is answered is of the old watch.
        await(send(XS_UNWATCH, watches[i].path, token, sizeof token));
        watches[i].path[0] = '\0';
        watches[i].fired = false;
    }
}
