/* SPDX-License-Identifier: BSD-3-Clause */
#include "saved.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenguest.h>

struct saving {
    xc_interface *xc;
    struct xs_handle *store;
    uint32_t domain;
    double (*now)(void);
    double suspended;
};

static bool has_suspended(const struct saving *saving)
{
    xc_dominfo_t info;
    return xc_domain_getinfo(saving->xc, saving->domain, 1, &info) == 1 && info.domid == saving->domain && info.shutdown &&
           info.shutdown_reason == SHUTDOWN_suspend;
}

/* The watch stays, on a connection of its own: an event too many costs one more look. */
static struct xs_handle *watch(void)
{
    static struct xs_handle *events;
    if (!events && (!(events = xs_open(XS_OPEN_SOCKETONLY)) || !xs_watch(events, "@releaseDomain", "suspended"))) {
        perror("baseline: @releaseDomain");
        exit(1);
    }
    return events;
}

/* libxc's callbacks say 1 for success. */
static int suspend_guest(void *data)
{
    struct saving *saving = data;
    struct xs_handle *events = watch();
    char path[64];
    snprintf(path, sizeof path, "/local/domain/%u/control/shutdown", saving->domain);
    if (!xs_write(saving->store, XBT_NULL, path, "suspend", strlen("suspend")))
        return 0;
    while (!has_suspended(saving)) {
        unsigned int count;
        char **event = xs_read_watch(events, &count);
        if (!event)
            return 0;
        free(event);
    }
    saving->suspended = saving->now();
    return 1;
}

int saved_write(xc_interface *xc, struct xs_handle *store, uint32_t domain, int file, double (*now)(void), double *suspended)
{
    struct saving saving = { .xc = xc, .store = store, .domain = domain, .now = now };
    struct save_callbacks callbacks = { .suspend = suspend_guest, .data = &saving };
    int result = xc_domain_save(xc, file, domain, 0, &callbacks, XC_STREAM_PLAIN, -1);
    *suspended = saving.suspended;
    return result;
}

int saved_resume(xc_interface *xc, struct xs_handle *store, uint32_t domain)
{
    if (xc_domain_resume(xc, domain, 1))
        return -1;
    return xs_resume_domain(store, domain) ? 0 : -1;
}

/* The stream says itself what CPU the guest has seen. */
static int static_data_done(unsigned int missing, void *data)
{
    (void)data;
    return missing ? -1 : 0;
}

int saved_read(xc_interface *xc, uint32_t domain, int file, uint32_t store_port, unsigned long *store_frame, uint32_t console_port,
               unsigned long *console_frame)
{
    struct restore_callbacks callbacks = { .static_data_done = static_data_done };
    return xc_domain_restore(xc, file, domain, store_port, store_frame, 0, console_port, console_frame, 0, XC_STREAM_PLAIN,
                             &callbacks, -1);
}
