/* SPDX-License-Identifier: BSD-3-Clause */
#include "devices.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define BACKENDS "/local/domain/0/backend"
#define PATIENCE_S 30
#define DISK_ID 51712 /* xvda */

enum { VIF, VBD, KINDS };

static const char *const kind_names[KINDS] = { "vif", "vbd" };
static const unsigned int device_ids[KINDS] = { 0, DISK_ID };

static struct xs_handle *watcher;
static int events = -1;

bool devices_any(const struct devices *devices) { return devices->bridge || devices->disk; }

static bool has(const struct devices *devices, int kind) { return kind == VIF ? devices->bridge : devices->disk; }

void devices_open(const struct devices *devices)
{
    if (!devices_any(devices))
        return;
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
    struct timeval patience = { .tv_sec = PATIENCE_S };
    int size = 4 << 20;
    events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    if (events < 0 || bind(events, (struct sockaddr *)&address, sizeof address) ||
        setsockopt(events, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) ||
        setsockopt(events, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        perror("baseline: the kernel's events");
        exit(1);
    }
}

/* --- paths --------------------------------------------------------------------------------------------------------- */

struct paths {
    char front[96];
    char back[96];
    char libxl[96];
    char status[128];
};

static struct paths paths_of(uint32_t domain, int kind)
{
    struct paths paths;
    snprintf(paths.front, sizeof paths.front, "/local/domain/%u/device/%s/%u", domain, kind_names[kind], device_ids[kind]);
    snprintf(paths.back, sizeof paths.back, BACKENDS "/%s/%u/%u", kind_names[kind], domain, device_ids[kind]);
    snprintf(paths.libxl, sizeof paths.libxl, "/libxl/%u/device/%s/%u", domain, kind_names[kind], device_ids[kind]);
    snprintf(paths.status, sizeof paths.status, "%s/hotplug-status", paths.back);
    return paths;
}

/* --- announcing ---------------------------------------------------------------------------------------------------- */

struct writer {
    struct xs_handle *store;
    xs_transaction_t transaction;
    bool failed;
};

static void put(struct writer *writer, const char *directory, const char *key, const char *value)
{
    char path[160];
    snprintf(path, sizeof path, key ? "%s/%s" : "%s", directory, key);
    if (!writer->failed && !xs_write(writer->store, writer->transaction, path, value, (unsigned int)strlen(value)))
        writer->failed = true;
}

static void own(struct writer *writer, const char *path, uint32_t owner, uint32_t reader)
{
    struct xs_permissions rights[] = { { .id = owner, .perms = XS_PERM_NONE }, { .id = reader, .perms = XS_PERM_READ } };
    if (!writer->failed && !xs_set_permissions(writer->store, writer->transaction, path, rights, 2))
        writer->failed = true;
}

static void begin_front(struct writer *writer, uint32_t domain, const struct paths *paths)
{
    put(writer, paths->front, "backend", paths->back);
    own(writer, paths->front, domain, 0);
    put(writer, paths->front, "backend-id", "0");
    put(writer, paths->front, "state", "1");
}

static void begin_back(struct writer *writer, const struct paths *paths, const char *id)
{
    put(writer, paths->back, "frontend-id", id);
    put(writer, paths->back, "online", "1");
    put(writer, paths->back, "state", "1");
    put(writer, paths->back, "script", "/bin/true");
    put(writer, paths->back, "toolstack", "lightvm");
}

static void write_vif(struct writer *writer, uint32_t domain, const char *id, const char *mac, const char *bridge)
{
    struct paths paths = paths_of(domain, VIF);
    begin_front(writer, domain, &paths);
    put(writer, paths.front, "handle", "0");
    put(writer, paths.front, "mac", mac);
    begin_back(writer, &paths, id);
    put(writer, paths.back, "handle", "0");
    put(writer, paths.back, "mac", mac);
    put(writer, paths.back, "type", "vif");
    put(writer, paths.back, "hotplug-status", "");
    put(writer, paths.back, "bridge", bridge);
    put(writer, paths.libxl, "backend", paths.back);
    put(writer, paths.libxl, "mac", mac);
}

static void write_vbd(struct writer *writer, uint32_t domain, const char *id, const char *disk)
{
    struct paths paths = paths_of(domain, VBD);
    begin_front(writer, domain, &paths);
    put(writer, paths.front, "virtual-device", "51712");
    put(writer, paths.front, "device-type", "disk");
    begin_back(writer, &paths, id);
    put(writer, paths.back, "params", disk);
    put(writer, paths.back, "type", "file");
    put(writer, paths.back, "mode", "w");
    put(writer, paths.back, "dev", "xvda");
    put(writer, paths.back, "hotplug-status", "");
    put(writer, paths.libxl, "backend", paths.back);
    put(writer, paths.libxl, "frontend", paths.front);
    put(writer, paths.libxl, "params", disk);
    put(writer, paths.libxl, "type", "phy");
    put(writer, paths.libxl, "dev", "xvda");
    put(writer, paths.libxl, "mode", "w");
    put(writer, paths.libxl, "removable", "0");
    put(writer, paths.libxl, "device-type", "disk");
}

static bool write_all(struct writer *writer, const struct devices *devices, uint32_t domain, const uint8_t uuid[16])
{
    char root[64], id[16], mac[32];
    snprintf(root, sizeof root, "/local/domain/%u", domain);
    snprintf(id, sizeof id, "%u", domain);
    snprintf(mac, sizeof mac, "00:16:3e:%02x:%02x:%02x", uuid[0] & 0x7f, uuid[1], uuid[2]);
    put(writer, root, NULL, "");
    own(writer, root, 0, domain);
    for (int kind = 0; kind < KINDS; kind++) {
        if (!has(devices, kind))
            continue;
        struct paths paths = paths_of(domain, kind);
        put(writer, paths.back, "frontend", paths.front);
        own(writer, paths.back, 0, domain);
    }
    if (devices->bridge)
        write_vif(writer, domain, id, mac, devices->bridge);
    if (devices->disk)
        write_vbd(writer, domain, id, devices->disk);
    return !writer->failed;
}

int devices_attach(struct xs_handle *store, const struct devices *devices, uint32_t domain, const uint8_t uuid[16])
{
    for (int attempt = 0; devices_any(devices) && attempt < 32; attempt++) {
        struct writer writer = { .store = store, .transaction = xs_transaction_start(store) };
        if (writer.transaction == XBT_NULL)
            return -1;
        bool written = write_all(&writer, devices, domain, uuid);
        bool ended = xs_transaction_end(store, writer.transaction, !written);
        if (written && ended)
            return 0;
        if (!written || errno != EAGAIN)
            return -1;
    }
    return devices_any(devices) ? -1 : 0;
}

/* --- waiting ------------------------------------------------------------------------------------------------------- */

/* 1: it is ready; 0: not yet. */
static int is_ready(struct xs_handle *store, uint32_t domain, int kind)
{
    struct paths paths = paths_of(domain, kind);
    char *status = xs_read(store, XBT_NULL, paths.status, NULL);
    int result = !status || !strcmp(status, "error") ? -1 : !strcmp(status, "connected");
    if (status && result < 0)
        errno = EIO;
    free(status);
    return result;
}

int devices_await(struct xs_handle *store, const struct devices *devices, uint32_t domain)
{
    bool pending[KINDS];
    int left = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        int ready = has(devices, kind) ? is_ready(store, domain, kind) : 1;
        if (ready < 0)
            return -1;
        pending[kind] = !ready;
        left += pending[kind];
    }
    if (!left)
        return 0;

    if (!watcher)
        watcher = xs_open(0);
    if (!watcher)
        return -1;
    bool watched[KINDS];
    for (int kind = 0; kind < KINDS; kind++) {
        watched[kind] = pending[kind];
        if (pending[kind] && !xs_watch(watcher, paths_of(domain, kind).status, kind_names[kind]))
            return -1;
    }
    while (left) {
        unsigned int count;
        char **event = xs_read_watch(watcher, &count);
        if (!event)
            return -1;
        int kind = strcmp(event[XS_WATCH_TOKEN], kind_names[VIF]) ? VBD : VIF;
        free(event);
        int ready = pending[kind] ? is_ready(store, domain, kind) : 0;
        if (ready < 0)
            return -1;
        pending[kind] = pending[kind] && !ready;
        left -= ready;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        if (watched[kind])
            xs_unwatch(watcher, paths_of(domain, kind).status, kind_names[kind]);
    }
    return 0;
}

/* --- removal ------------------------------------------------------------------------------------------------------- */

static void remove_if_empty(struct xs_handle *store, const char *path)
{
    unsigned int count = 0;
    char **children = xs_directory(store, XBT_NULL, path, &count);
    free(children);
    if (children && !count)
        xs_rm(store, XBT_NULL, path);
}

/* Waits for "remove@/devices/vif-3-0" and its like. */
static int await_kernel(const struct devices *devices, uint32_t domain)
{
    bool waiting[KINDS] = { has(devices, VIF), has(devices, VBD) };
    while (waiting[VIF] || waiting[VBD]) {
        char event[8192];
        ssize_t size = recv(events, event, sizeof event - 1, 0);
        if (size < 0 && errno != ENOBUFS && errno != EINTR)
            return -1;
        event[size > 0 ? size : 0] = '\0';
        for (int kind = 0; kind < KINDS; kind++) {
            char expected[64];
            snprintf(expected, sizeof expected, "remove@/devices/%s-%u-%u", kind_names[kind], domain, device_ids[kind]);
            if (!strcmp(event, expected))
                waiting[kind] = false;
        }
    }
    return 0;
}

int devices_detach(struct xs_handle *store, const struct devices *devices, uint32_t domain)
{
    if (!devices_any(devices))
        return 0;
    char path[96];
    snprintf(path, sizeof path, "/local/domain/%u/device", domain);
    xs_rm(store, XBT_NULL, path);
    snprintf(path, sizeof path, "/libxl/%u/device", domain);
    xs_rm(store, XBT_NULL, path);
    for (int kind = 0; kind < KINDS; kind++) {
        snprintf(path, sizeof path, BACKENDS "/%s/%u", kind_names[kind], domain);
        if (has(devices, kind))
            xs_rm(store, XBT_NULL, path);
    }
    if (await_kernel(devices, domain))
        return -1;
    for (int kind = 0; kind < KINDS; kind++) {
        snprintf(path, sizeof path, BACKENDS "/%s", kind_names[kind]);
        if (has(devices, kind))
            remove_if_empty(store, path);
    }
    return 0;
}
