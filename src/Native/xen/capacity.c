/* SPDX-License-Identifier: BSD-3-Clause
 * What is left of the things that every domain takes some of. */
#include "internal.h"

/* 1 and whether the port is in use, 0 for a port that the domain has no room for (yet). */
static int look_at_port(lvm_xen *handle, uint32_t domid, uint32_t port, int *used)
{
    xc_evtchn_status_t status = { .dom = (domid_t)domid, .port = port };
    errno = 0;
    if (xc_evtchn_status(handle->xc, &status) == 0)
        *used = status.status != EVTCHNSTAT_closed;
    else if (errno == EACCES)
        *used = 1; /* Xen's own end */
    else
        return errno == EINVAL ? 0 : lvm_result(-1);
    return 1;
}

/* Xen makes room for ports as they are needed, without gaps, and never takes it back. */
int lvm_event_channel_room(lvm_xen *handle, uint32_t domid, uint32_t *room)
{
    uint32_t there = 0, beyond = 1;
    int used;
    for (;; beyond *= 2) {
        int found = look_at_port(handle, domid, beyond, &used);
        if (found < 0)
            return found;
        if (!found)
            break;
        there = beyond;
    }
    while (beyond - there > 1) {
        uint32_t middle = there + (beyond - there) / 2;
        int found = look_at_port(handle, domid, middle, &used);
        if (found < 0)
            return found;
        if (found)
            there = middle;
        else
            beyond = middle;
    }
    *room = beyond;
    return 0;
}

int lvm_event_channel_count(lvm_xen *handle, uint32_t domid, uint32_t room, uint32_t *count)
{
    *count = 0;
    for (uint32_t port = 0; port < room; port++) {
        int used = 0;
        int found = look_at_port(handle, domid, port, &used);
        if (found < 0)
            return found;
        *count += (uint32_t)used;
    }
    return 0;
}

int lvm_grant_frames(lvm_xen *handle, uint32_t domid, uint32_t *most)
{
    struct gnttab_query_size query = { .dom = (domid_t)domid };
    int error = LVM_CALL(xc_gnttab_query_size(handle->xc, &query));
    if (error)
        return error;
    if (query.status != GNTST_okay)
        return -EINVAL;
    *most = query.max_nr_frames;
    return 0;
}
