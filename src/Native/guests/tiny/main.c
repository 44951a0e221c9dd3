// The guest's life, which is the same for every kind of guest.
#include "guest.h"
#include "hypercall.h"

struct machine machine;

static bool spinning;

static const struct {
    const char *word;
    enum wish wish;
} words[] = {
    {"poweroff", WISH_POWEROFF}, {"halt", WISH_POWEROFF}, {"off", WISH_POWEROFF}, {"q", WISH_POWEROFF},
    {"reboot", WISH_REBOOT},     {"r", WISH_REBOOT},
    {"crash", WISH_CRASH},       {"c", WISH_CRASH},
    {"suspend", WISH_SUSPEND},
    {"spin", WISH_SPIN},
    {"help", WISH_HELP},
};

enum wish wish_of(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t same = 0;
        while (same < length && words[i].word[same] && words[i].word[same] == word[same])
            same++;
        if (same == length && !words[i].word[same])
            return words[i].wish;
    }
    return WISH_NONE;
}

static _Noreturn void stop(unsigned reason)
{
    struct sched_shutdown shutdown = {.reason = reason};
    for (;;)
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address_of(&shutdown), 0, 0);
}

static void fulfil(enum wish wish)
{
    switch (wish) {
    case WISH_NONE:
        break;
    case WISH_POWEROFF:
        print("tiny: power off\n");
        stop(SHUTDOWN_poweroff);
    case WISH_REBOOT:
        print("tiny: reboot\n");
        stop(SHUTDOWN_reboot);
    case WISH_CRASH:
        print("tiny: crash\n");
        stop(SHUTDOWN_crash);
    case WISH_SUSPEND:
        if (!machine.suspend) {
            print("tiny: cannot suspend\n");
            break;
        }
        print("tiny: suspend\n");
        print(machine.suspend() ? "tiny: not suspended\n" : "tiny: resumed\n");
        store_start();
        break;
    case WISH_SPIN:
        print("tiny: spinning\n");
        spinning = true;
        break;
    case WISH_HELP:
        print("tiny: poweroff (q), reboot (r), crash (c), suspend, spin, help; anything else is repeated\n");
        break;
    }
}

// The words of the command line that mean something; `noxs` keeps the hands off a store that is there.
static void obey_command_line(void)
{
    const char *word = machine.command_line;
    while (*word) {
        size_t length = 0;
        while (word[length] && word[length] != ' ')
            length++;
        if (length == 4 && word[0] == 'n' && word[1] == 'o' && word[2] == 'x' && word[3] == 's')
            machine.store = NULL;
        fulfil(wish_of(word, length));
        word += length;
        while (*word == ' ')
            word++;
    }
}

static void clear_pending(evtchn_port_t port)
{
    __atomic_fetch_and(&machine.shared->evtchn_pending[port / 64], ~(1UL << port % 64), __ATOMIC_SEQ_CST);
}

// Sleeps until the console or Xenstore has something. Xen returns at once if an event came since clear_pending.
static void sleep(void)
{
    evtchn_port_t ports[2];
    struct sched_poll poll = {.nr_ports = 0};
    if (machine.console)
        ports[poll.nr_ports++] = machine.console_port;
    if (machine.store)
        ports[poll.nr_ports++] = machine.store_port;
    if (poll.nr_ports == 0) {
        // Nothing can ever wake us; without this, a poll of no port would return at once.
        for (;;)
            hypercall(__HYPERVISOR_sched_op, SCHEDOP_block, 0, 0, 0);
    }
    set_xen_guest_handle(poll.ports, ports);
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, address_of(&poll), 0, 0);
}

_Noreturn void guest_main(void)
{
    print("tiny: hello from a ");
    print(machine.kind);
    print(" guest\ntiny: command line: ");
    print(machine.command_line);
    print("\n");
    obey_command_line();
    store_start();
    for (;;) {
        // In this order, an event that comes while the rings are read is not lost.
        if (machine.console)
            clear_pending(machine.console_port);
        if (machine.store)
            clear_pending(machine.store_port);
        const enum wish typed = console_read();
        const enum wish asked = store_read();
        fulfil(typed);
        fulfil(asked);
        if (typed == WISH_NONE && asked == WISH_NONE && !spinning)
            sleep();
    }
}
