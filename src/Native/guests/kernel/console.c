// One shared page with a ring for each direction.
#include "console.h"

#include "app.h"
#include "events.h"
#include "hypercall.h"
#include "machine.h"
#include "power.h"
#include "text.h"

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

static void print_bytes(const char *bytes, size_t count)
{
    if (!machine.console)
        return;
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

void say(const char *form, ...)
{
    char text[256];
    size_t length = format(text, sizeof text, "%s: ", app_name);
    va_list values;
    va_start(values, form);
    length += format_list(text + length, sizeof text - 1 - length, form, values);
    va_end(values);
    text[length] = '\n';
    print_bytes(text, length + 1);
}

static void typed(char byte)
{
    switch (byte) {
    case '\r':
    case '\n':
        print("\n");
        if (line_length > 0 && !power_request(line, line_length))
            say("poweroff, reboot, crash and suspend are what can be asked here");
        line_length = 0;
        break;
    case '\b':
    case 0x7f:
        if (line_length > 0) {
            line_length--;
            print("\b \b");
        }
        break;
    default:
        if (line_length < sizeof line) {
            line[line_length++] = byte;
            print_bytes(&byte, 1);
        }
    }
}

static void read_ring(void)
{
    struct xencons_interface *ring = machine.console;
    const XENCONS_RING_IDX produced = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE);
    if (ring->in_cons == produced)
        return;
    while (ring->in_cons != produced) {
        const char byte = ring->in[MASK_XENCONS_IDX(ring->in_cons, ring->in)];
        __atomic_store_n(&ring->in_cons, ring->in_cons + 1, __ATOMIC_RELEASE);
        typed(byte);
    }
    notify(machine.console_port); // there is room again
}

void console_start(void)
{
    line_length = 0;
    if (machine.console)
        events_bind(machine.console_port, read_ring);
}
