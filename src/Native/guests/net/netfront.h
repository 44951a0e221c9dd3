// The network driver: frames to and from the backend, by Xen's net rings (xen/io/netif.h). Each ring has buffers of a page,
// which stay granted; frames are copied into them and out of them, so that a backend never sees any other memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The longest frame, without its checksum.
enum { LONGEST_FRAME = 1514 };

struct netfront_user {
    // `fills_checksums`: who sends may leave those of TCP to the backend.
    void (*up)(const uint8_t mac[6], bool fills_checksums);
    void (*down)(void);
    // The frame is gone when this returns. `verified`: the backend vouches for its TCP or UDP checksum, which may be blank.
    void (*received)(const void *frame, size_t length, bool verified);
};

// Before the bus is started.
void netfront_start(const struct netfront_user *user);

// A buffer of LONGEST_FRAME bytes for a frame; NULL while there is none, or no backend.
void *netfront_buffer(void);
// Sends what was written into that buffer. `blank`: its TCP has no checksum.
void netfront_send(size_t length, bool blank);
