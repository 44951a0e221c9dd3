/* SPDX-License-Identifier: BSD-3-Clause
 * What the shim's files share, and the one place for what differs between Xen 4.17 and 4.20. */
#ifndef LIGHTVM_XEN_INTERNAL_H
#define LIGHTVM_XEN_INTERNAL_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <xenctrl.h>
#include <xenguest.h>
#include <xentoollog.h>

#include "lightvm_xen.h"

struct lvm_xen {
    xentoollog_logger logger; /* first: libxc hands it back to us */
    xc_interface *xc;
    struct xencall_handle *calls; /* NULL: none was made yet */
    struct lvm_host host; /* its version and capabilities; none before it was asked for the first time */
    uint32_t grant_version; /* the newest that the hypervisor lets guests use; 0: not asked yet */
    size_t log_length;
    char log[4096];
};

struct lvm_image {
    lvm_xen *handle;
    struct xc_dom_image *dom;
    struct lvm_shape shape;
    uint32_t domid;
};

/* libxc returns -1 and sets errno; libxenguest often returns -1 with errno unset, or -errno. */
static inline int lvm_result(long rc)
{
    if (rc >= 0)
        return 0;
    if (rc < -1)
        return (int)rc;
    return errno ? -errno : LVM_NO_ERRNO;
}

/* Runs a libxc call with a clean errno and turns what it says into 0 or a negative errno. */
#define LVM_CALL(expression) (errno = 0, lvm_result(expression))

int lvm_pvh_prepare(lvm_image *image);     /* memory layout and ports, before memory is allocated */
int lvm_pvh_adopt(lvm_image *image, uint32_t held_mib); /* memory that is there already; gives back what is too much */
int lvm_pvh_add_acpi(lvm_image *image);    /* tables, after the kernel was parsed */
void lvm_share_m2p(void);                  /* before a domain is saved or restored */

/* --- Xen 4.17 to 4.20 ----------------------------------------------------------------------------------------- */
#if LVM_XEN_VERSION < 417
#error "LightVM needs Xen 4.17 or newer"
#endif
/* All that is used here has kept its name and arguments from 4.17 to 4.20: the shim compiles against the headers of 4.17.7,
 * 4.18.5, 4.19.4 and 4.20.3 as it is. Structures grew (xen_domctl_createdomain.altp2m), at places that a designated
 * initialiser leaves at zero, which is each new field's "off". What differs from the next one on belongs here. */

#endif
