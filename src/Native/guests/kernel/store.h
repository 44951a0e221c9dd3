// A client of Xenstore. Requests wait for their answers; what watches tell is handled in the kernel's loop.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Longer paths and values than these are not for us.
enum { STORE_PATH = 128, STORE_VALUE = 512 };

// At start and after each suspend that was one: no watch is left then. False: this domain has no store.
bool store_start(void);

// The value with a closing 0; false when there is no such node, it is not for us, or the value does not fit.
bool store_read(const char *path, char *value, size_t size);
// A whole number; false as for store_read, or when it is none.
bool store_read_number(const char *path, uint64_t *number);
// Does not wait: a refusal is told on the console. The value is text, or a number.
void store_write(const char *path, const char *value);
void store_write_number(const char *path, uint64_t number);
// Returns when the store has done all that it was told before.
void store_settle(void);
// The smallest number that is the name of a node under this one; false when there is none.
bool store_first_number(const char *path, unsigned *number);

// The function is called, from the kernel's loop, when the node or one below it may have changed; and once at first.
void store_watch(const char *path, void (*changed)(void));
// Ends all watches that call this function.
void store_unwatch(void (*changed)(void));
