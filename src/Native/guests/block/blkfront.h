// The disk driver: requests to the backend, by Xen's block ring (xen/io/blkif.h). Each request has pages of its own, which stay granted, so that a
// backend never sees any other memory. What was not answered when a backend goes is asked of the next one.
#pragma once

#include "bus.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The most there can be: requests, and pages that each has. All of it is 1.4 MiB.
enum { DISK_REQUESTS = 32, DISK_PAGES = 11, DISK_SECTOR = 512 };

// As the ring has them.
enum disk_operation { DISK_READ, DISK_WRITE, DISK_FLUSH = 3, DISK_DISCARD = 5 };
enum disk_status { DISK_OKAY = 0, DISK_ERROR = -1, DISK_NOT_SUPPORTED = -2 };

struct blkfront_user {
    // The disk is there: at first, and after it was away. A request need not be repeated.
    void (*up)(const struct vbd_info *disk);
    void (*down)(void);
    // A request is done, and free: it can be asked for something else at once.
    void (*done)(unsigned request, int status);
};

// Before the bus is started. How many requests there shall be at once, and how many pages for each.
void blkfront_start(const struct blkfront_user *user, unsigned requests, unsigned pages);

// A request that is free; negative while there is none, or no disk.
int blkfront_free(void);
// It is not needed after all.
void blkfront_leave(unsigned request);
// Its pages: what is written from them and read into them.
void *blkfront_page(unsigned request, unsigned page);
// Asks for it. Of a flush, place and length mean nothing; of a discard the length can be any.
void blkfront_ask(unsigned request, enum disk_operation operation, uint64_t sector, uint64_t sectors);
