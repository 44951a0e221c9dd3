// The network driver: frames to and from the backend, by Xen's net rings (xen/io/netif.h). Each ring has buffers of a page,
// which stay granted; frames are copied into them and out of them, so that a backend never sees any other memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The longest frame, without its checksum: on a wire, and of those that the backend cuts.
enum { LONGEST_FRAME = 1514, LONGEST_UNCUT = 3 * 4096 };

struct netfront_user {
    // Who sends may leave to the backend... `fills_checksums`: those of TCP; `cuts`: frames of TCP that are longer than a wire takes.
    void (*up)(const uint8_t mac[6], bool fills_checksums, bool cuts);
    void (*down)(void);
    // A frame comes in parts; each is gone when this returns. NULL: the frame is none, whatever came of it. `more`: this is not the last.
    // `verified`, of the last: the backend vouches for the frame's TCP or UDP checksum, which may be blank.
    void (*received)(const void *part, size_t length, bool more, bool verified);
};

// Before the bus is started.
void netfront_start(const struct netfront_user *user);

// Whether there are a backend and room for a frame of at most LONGEST_UNCUT bytes.
bool netfront_room(size_t length);
// Where the frame's bytes go, a page for each part of it.
void *netfront_part(unsigned number);
// Sends what was written there. `blank`: its TCP has no checksum. `segment`: how much data each frame has that it is cut into; 0: it is not.
void netfront_send(size_t length, bool blank, uint16_t segment);
