// What an application is to the kernel, and what it can ask of it. apps/template.c shows how one is written.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "console.h"
#include "text.h"

// The application's name, which comes before each of its lines on the console. From the build.
extern const char app_name[];

// The application. Called once, before any device is there; it says what it wants, and returns.
void app_start(void);

// A function that the kernel's loop calls after all events, before it sleeps. It returns the time of clock_now at which it
// wants to be called at the latest (NEVER, of events.h: whenever something happens). There can be several.
void app_each_round(uint64_t (*work)(void));

// A word of the command line, `name=value`: the value, up to the next blank, with a closing 0; false when it is not there
// or does not fit.
bool app_option(const char *name, char *value, size_t size);
