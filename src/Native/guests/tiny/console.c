// The PV console: one shared page with a ring for each direction.
#include "guest.h"
#include "hypercall.h"

static char line[80];
static size_t line_length;

static void put(char byte)
{
    struct xencons_interface *ring = machine.console;
    const XENCONS_RING_IDX produced = ring->out_prod;
    if (produced - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) >= sizeof ring->out)
        return;
    ring->out[MASK_XENCONS_IDX(produced, ring->out)] = byte;
    __atomic_store_n(&ring->out_prod, produced + 1, __ATOMIC_RELEASE);
}

void print_bytes(const char *bytes, size_t count)
{
    if (!machine.console) {
        // Xen's own log, which only a debug build of Xen lets a guest write to.
        hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, count, address_of(bytes), 0);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            put('\r');
        put(bytes[i]);
    }
    notify(machine.console_port);
}

void print(const char *text)
{
    print_bytes(text, strlen(text));
}

static enum wish end_of_line(void)
{
    const enum wish wish = wish_of(line, line_length);
    print("\n");
    if (wish == WISH_NONE && line_length > 0) {
        print("tiny: ");
        print_bytes(line, line_length);
        print("\n");
    }
    line_length = 0;
    return wish;
}

static enum wish typed(char byte)
{
    switch (byte) {
    case '\r':
    case '\n':
        return end_of_line();
    case '\b':
    case 0x7f:
        if (line_length > 0) {
            line_length--;
            print("\b \b");
        }
        return WISH_NONE;
    default:
        if (line_length < sizeof line) {
            line[line_length++] = byte;
            print_bytes(&byte, 1);
        }
        return WISH_NONE;
    }
}

enum wish console_read(void)
{
    struct xencons_interface *ring = machine.console;
    if (!ring)
        return WISH_NONE;

    enum wish wish = WISH_NONE;
    bool any = false;
    while (wish == WISH_NONE && ring->in_cons != __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE)) {
        const char byte = ring->in[MASK_XENCONS_IDX(ring->in_cons, ring->in)];
        __atomic_store_n(&ring->in_cons, ring->in_cons + 1, __ATOMIC_RELEASE);
        wish = typed(byte);
        any = true;
    }
    if (any)
        notify(machine.console_port); // there is room again
    return wish;
}
