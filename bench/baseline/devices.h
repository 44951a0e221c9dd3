/* SPDX-License-Identifier: BSD-3-Clause
 * The devices of the yardstick's guests: the store nodes of src/LightVM.Engine/Xen/XenstoreDeviceNodes.cs, and the waiting of
 * XenstoreDeviceBus.cs beside it. The device daemon of this tree does the rest. All but devices_open return 0, or -1 with errno. */
#ifndef LIGHTVM_BASELINE_DEVICES_H
#define LIGHTVM_BASELINE_DEVICES_H

#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

/* What each guest has: NULL for none. */
struct devices {
    const char *bridge;
    const char *disk;
};

bool devices_any(const struct devices *devices);

/* Opens what is needed to wait. */
void devices_open(const struct devices *devices);

/* Announces them, in one transaction. */
int devices_attach(struct xs_handle *store, const struct devices *devices, uint32_t domain, const uint8_t uuid[16]);

/* Waits until they are ready for the guest. */
int devices_await(struct xs_handle *store, const struct devices *devices, uint32_t domain);

/* Takes them away, and waits until the kernel has given them up. */
int devices_detach(struct xs_handle *store, const struct devices *devices, uint32_t domain);

#endif
