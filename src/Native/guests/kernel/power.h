// The ends of a guest's life, and its interruptions.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// A word that somebody has sent, which need not end with a 0; false when it means nothing. What it asks for is done by the
// kernel's loop, when whoever sent it has been answered.
bool power_request(const char *word, size_t length);
// Does what was asked for, if anything was. True after a suspend.
bool power_obey(void);
// Ends the domain, as one that has crashed.
_Noreturn void power_crash(const char *reason);
