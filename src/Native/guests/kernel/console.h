// The PV console: what the guest says, and the lines that somebody types to it. Nothing happens when there is no console.
#pragma once

#include <stddef.h>

// Begins to speak, and to listen; at start and after each suspend.
void console_start(void);

// Text is dropped when nobody empties the console's ring: a guest must not stop because nobody listens.
void print(const char *text);

// A line that begins with the guest's name; what `format` in text.h knows, and the end of the line comes by itself.
__attribute__((format(printf, 1, 2))) void say(const char *form, ...);
