// The life of a guest on this kernel: it starts, handles what happens, sleeps when nothing does, and starts its devices
// afresh after each suspend.
#include "app.h"
#include "bus.h"
#include "console.h"
#include "events.h"
#include "grants.h"
#include "machine.h"
#include "pages.h"
#include "power.h"
#include "store.h"

struct machine machine;

enum { MOST_WORKS = 4 };
static uint64_t (*works[MOST_WORKS])(void);

void app_each_round(uint64_t (*work)(void))
{
    unsigned i = 0;
    while (i < MOST_WORKS && works[i])
        i++;
    if (i == MOST_WORKS)
        power_crash("too much to do in each round");
    works[i] = work;
}

bool app_option(const char *name, char *value, size_t size)
{
    const size_t name_length = strlen(name);
    for (const char *word = machine.command_line; *word;) {
        size_t length = 0;
        while (word[length] && word[length] != ' ')
            length++;
        if (length > name_length && word[name_length] == '=' && strncmp(word, name, name_length) == 0) {
            const size_t value_length = length - name_length - 1;
            if (value_length >= size)
                return false;
            memcpy(value, word + name_length + 1, value_length);
            value[value_length] = '\0';
            return true;
        }
        word += length;
        while (*word == ' ')
            word++;
    }
    return false;
}

static uint64_t each_round(void)
{
    uint64_t until = NEVER;
    for (unsigned i = 0; i < MOST_WORKS && works[i]; i++) {
        const uint64_t wanted = works[i]();
        if (wanted < until)
            until = wanted;
    }
    return until;
}

static void start_devices(void)
{
    console_start();
    bus_start();
}

// All that belonged to the domain that we were has gone: ports, grants, watches.
static void resume(void)
{
    events_forget();
    grants_start();
    bus_forget();
    start_devices();
    say("resumed");
}

_Noreturn void guest_main(void)
{
    console_start();
    say("hello from a %s guest", machine.kind);
    say("command line: %s", machine.command_line);
    if (!grants_start())
        power_crash("no grant table");
    app_start();
    bus_start();
    for (;;) {
        events_handle();
        bus_look();
        if (power_obey())
            resume();
        events_sleep(each_round());
    }
}
