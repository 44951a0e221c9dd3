/* SPDX-License-Identifier: BSD-3-Clause
 * Saved guests of the yardstick: what src/Native/xen/migration.c does, and src/LightVM.Engine/Hosts/GuestSuspension.cs beside it. All
 * return 0, or -1 with errno. */
#ifndef LIGHTVM_BASELINE_SAVED_H
#define LIGHTVM_BASELINE_SAVED_H

#include <stdint.h>
#include <xenctrl.h>
#include <xenstore.h>

/* Has the guest suspend itself, and writes its memory and vCPU. *suspended becomes when it stood still, by now(). */
int saved_write(xc_interface *xc, struct xs_handle *store, uint32_t domain, int file, double (*now)(void), double *suspended);

/* Lets it go on. */
int saved_resume(xc_interface *xc, struct xs_handle *store, uint32_t domain);

/* Fills a domain with what was saved. */
int saved_read(xc_interface *xc, uint32_t domain, int file, uint32_t store_port, unsigned long *store_frame, uint32_t console_port,
               unsigned long *console_frame);

#endif
