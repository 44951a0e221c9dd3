// What a guest without a store is told of its devices: one page that lists them, and for each device a page of its backend's. All of it
// is laid out as C lays it out on x86-64 (docs/noxs.md).
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NOXS_TAG "noxsPAGE" // the last bytes of the device page
enum { NOXS_VERSION = 1, NOXS_DEVICES = 32 };
enum noxs_type { NOXS_NONE, NOXS_SYSCTL, NOXS_VIF, NOXS_VBD };

struct noxs_entry {
    uint32_t type, id;
    uint16_t backend;
    uint16_t serial;      // differs from that of the entry that had this place before, which may be the same in all else
    uint32_t grant, port; // the backend's
};

struct noxs_page {
    uint32_t version, count;
    struct noxs_entry entries[NOXS_DEVICES];
};

// Whether a side wants to be told of changes, and has been. Its own word, which the other side sets to "updated".
enum noxs_watch { NOXS_WATCH_NONE, NOXS_WATCH_REQUESTED, NOXS_WATCH_UPDATED };

struct noxs_header {
    int32_t id;
    int32_t backend, frontend; // enum xenbus_state
    int32_t frontend_watch, backend_watch;
};

enum { NOXS_POWEROFF = 1, NOXS_REBOOT = 2, NOXS_SUSPEND = 4, NOXS_CRASH = 8 };

struct noxs_sysctl {
    struct noxs_header header;
    uint8_t features; // what we do
    uint8_t request;  // what we shall do; we take it away
};

enum { NOXS_VIF_RX_NOTIFY = 1, NOXS_VIF_TAKES_PARTS = 1 << 2, NOXS_VIF_TAKES_TCP4 = 1 << 3 };                 // of ours
enum { NOXS_VIF_PARTS = 1 << 1, NOXS_VIF_CUTS_TCP4 = 1 << 2, NOXS_VIF_NO_CHECKSUM_OFFLOAD = 1 << 6 }; // of the backend's

struct noxs_vif {
    struct noxs_header header;
    int32_t vif;
    uint16_t backend_features;
    int32_t most_queues, queues;
    uint32_t transmit_ring, receive_ring;
    uint32_t transmit_port, receive_port;
    uint32_t receive_by_copy;
    uint16_t features;
    uint32_t control_ring, control_port;
    uint8_t mac[6];
    uint32_t ip;
    char bridge[16];
};

enum { NOXS_VBD_FLUSH = 4, NOXS_VBD_DISCARD = 8, NOXS_VBD_READ_ONLY = 1, NOXS_VBD_READ_ONLY_INFO = 4 };

struct noxs_vbd {
    struct noxs_header header;
    uint16_t most_indirect_segments;
    uint8_t backend_features; // NOXS_VBD_FLUSH, NOXS_VBD_DISCARD
    uint32_t major, minor, type;
    uint32_t mode; // NOXS_VBD_READ_ONLY or not
    uint32_t info; // NOXS_VBD_READ_ONLY_INFO: the disk itself cannot be written
    uint64_t sectors; // of 512 bytes
    uint64_t sector_size, physical_sector_size;
    int32_t discard, discard_granularity, discard_alignment, discard_secure;
    uint8_t features;
    char protocol[64];
    int32_t most_rings, most_ring_pages_order, rings, ring_pages_order;
    uint32_t port, ring; // of the first ring
};

_Static_assert(sizeof(struct noxs_page) == 648, "the device page");
_Static_assert(sizeof(struct noxs_sysctl) == 24 && sizeof(struct noxs_vif) == 96 && offsetof(struct noxs_vbd, sectors) == 48 &&
                   offsetof(struct noxs_vbd, mode) == 36 && offsetof(struct noxs_vbd, info) == 40 && offsetof(struct noxs_vbd, discard) == 72 &&
                   offsetof(struct noxs_vbd, features) == 88 && offsetof(struct noxs_vbd, protocol) == 89 && offsetof(struct noxs_vbd, most_rings) == 156 &&
                   offsetof(struct noxs_vbd, port) == 172 && offsetof(struct noxs_vbd, ring) == 176,
               "the control pages");
