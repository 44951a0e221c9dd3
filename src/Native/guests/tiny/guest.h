// tiny: a guest of a few kilobytes that says hello, sleeps, and does as it is told by its console and by Xenstore. It has the
// kernel's way into a machine (kernel/machine.h), and nothing else of it.
#pragma once

#include "machine.h"

// What the guest can be asked to do, on its command line, its console, or in Xenstore's control/shutdown.
enum wish { WISH_NONE, WISH_POWEROFF, WISH_REBOOT, WISH_CRASH, WISH_SUSPEND, WISH_SPIN, WISH_HELP };

// The kind of a word, which need not end with a 0; WISH_NONE when it means nothing.
enum wish wish_of(const char *word, size_t length);

// --- console.c: does nothing when there is no console ---

// Text is dropped when nobody empties the console's ring: a guest must not stop because nobody listens.
void print(const char *text);
void print_bytes(const char *bytes, size_t count);
// Echoes what was typed; the wish of the line that was completed, if any.
enum wish console_read(void);

// --- store.c: does nothing when there is no Xenstore ---

// Says what we can do and asks to be told of control/shutdown.
void store_start(void);
// Takes in what Xenstore has sent; never waits for it.
enum wish store_read(void);
