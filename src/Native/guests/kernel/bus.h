// How the guest learns of its devices and of what is asked of it: the one thing in which a guest with a store and one
// without differ. A driver is written against this, and knows of neither.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>

// A network interface as its backend offers it.
struct vif_offer {
    unsigned id;
    domid_t backend;
    uint8_t mac[6];
    bool fills_checksums; // of TCP, where a frame says that it has none
    bool cuts;            // frames of TCP (IPv4) that are larger than a wire takes, of several slots
};

// What the backend needs of the guest. One port for both rings.
struct vif_rings {
    grant_ref_t transmit, receive;
    evtchn_port_t port;
    bool takes_uncut; // what the backend would have to cut otherwise
};

// The network driver. The guest has one interface: the one with the smallest number.
struct vif_driver {
    // The backend waits for us. False when the rings cannot be made; then nothing is left of them.
    bool (*connect)(const struct vif_offer *offer, struct vif_rings *rings);
    // The backend has the rings: frames can go.
    void (*connected)(void);
    // The backend is gone. Called without a connect before as well, and then does nothing.
    void (*disconnect)(void);
};

// A disk: who has it, and what its backend says of it once it is connected.
struct vbd_offer {
    unsigned id;
    domid_t backend;
};
struct vbd_info {
    uint64_t sectors; // of 512 bytes
    uint32_t sector_size;
    bool read_only, flush, discard;
};

struct vbd_ring {
    grant_ref_t reference;
    evtchn_port_t port;
};

// The disk driver. The guest has one disk: the one with the smallest number. As vif_driver.
struct vbd_driver {
    bool (*connect)(const struct vbd_offer *offer, struct vbd_ring *ring);
    void (*connected)(const struct vbd_info *info);
    void (*disconnect)(void);
    // Returns when the backend has nothing more to do for us, and gives it nothing more.
    void (*settle)(void);
    // We are still here.
    void (*go_on)(void);
};

// Before bus_start. Devices without a driver are left alone.
void bus_drive_vif(const struct vif_driver *driver);
void bus_drive_vbd(const struct vbd_driver *driver);

// Looks for devices, and says that this guest can be asked to power off, reboot and suspend. At start, and after a suspend.
void bus_start(void);
// The devices have gone with the domain that we were.
void bus_forget(void);
// Before a suspend: who goes on elsewhere must not be overtaken by what he has asked for here.
void bus_settle(void);
// Before an end, and before a suspend, of which nobody knows yet whether it will be one; and after one that was none.
void bus_pause(void);
void bus_go_on(void);
// Whenever something has happened, and before the guest sleeps: not every bus has an event for each of its changes.
void bus_look(void);

struct bus_drivers {
    const struct vif_driver *vif; // NULL: none
    const struct vbd_driver *vbd;
};

// A way to devices. Each is in a file of its own, and bus.c knows which is this guest's.
struct bus {
    bool (*start)(const struct bus_drivers *drivers); // false: this guest has no such bus
    void (*forget)(void);
    // NULL where there is nothing to do.
    void (*pause)(void);
    void (*go_on)(void);
    void (*look)(void);
};
extern const struct bus noxs_bus;
extern const struct bus store_bus;
