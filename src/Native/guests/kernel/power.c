#include "power.h"

#include "bus.h"
#include "clock.h"
#include "console.h"
#include "hypercall.h"
#include "machine.h"

#include <xen/sched.h>

// The words of control/shutdown in Xenstore.
static const struct {
    const char *word;
    unsigned reason;
} words[] = {
    {"poweroff", SHUTDOWN_poweroff}, {"halt", SHUTDOWN_poweroff},  {"reboot", SHUTDOWN_reboot},
    {"crash", SHUTDOWN_crash},       {"suspend", SHUTDOWN_suspend},
};

static const char *asked; // NULL: nothing
static unsigned reason;

bool power_request(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) == length && memcmp(words[i].word, word, length) == 0) {
            asked = words[i].word;
            reason = words[i].reason;
            return true;
        }
    }
    return false;
}

static _Noreturn void stop(unsigned why)
{
    struct sched_shutdown shutdown = {.reason = why};
    bus_pause();
    for (;;)
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address_of(&shutdown), 0, 0);
}

_Noreturn void power_crash(const char *why)
{
    say("crash: %s", why);
    stop(SHUTDOWN_crash);
}

bool power_obey(void)
{
    if (!asked)
        return false;
    say("%s", asked);
    asked = NULL;
    if (reason != SHUTDOWN_suspend)
        stop(reason);
    bus_settle();
    bus_pause();
    clock_suspend();
    if (machine.suspend()) {
        bus_go_on();
        say("not suspended");
        return false;
    }
    clock_resume();
    return true;
}
