// Devices by Xenstore: control/shutdown, and the nodes of xen/io/netif.h and blkif.h below device/vif, device/vbd and at the backend.
#include "bus.h"

#include "console.h"
#include "power.h"
#include "store.h"
#include "text.h"

#include <xen/io/blkif.h>
#include <xen/io/xenbus.h>

#define SHUTDOWN_NODE "control/shutdown"

static const struct bus_drivers *drivers;

struct device {
    const char *folder;
    bool present;
    bool connected; // our state says so
    unsigned id;
    domid_t backend;
    char path[STORE_PATH - 24]; // the backend's folder
};
static struct device vif = {.folder = "device/vif"};
static struct device vbd = {.folder = "device/vbd"};

// --- what the toolstack asks for ---

// The empty value is how it learns that we have seen its word; only then anything happens, which may be our end.
static void shutdown_changed(void)
{
    char word[16];
    if (!store_read(SHUTDOWN_NODE, word, sizeof word) || !*word)
        return;
    size_t length = 0;
    while (word[length])
        length++;
    if (!power_request(word, length))
        return;
    store_write(SHUTDOWN_NODE, "");
    store_settle();
}

// --- devices ---

static const char *node(const struct device *device, const char *name)
{
    static char path[STORE_PATH];
    format(path, sizeof path, "%s/%u/%s", device->folder, device->id, name);
    return path;
}

static const char *backend_node(const struct device *device, const char *name)
{
    static char path[STORE_PATH];
    format(path, sizeof path, "%s/%s", device->path, name);
    return path;
}

static uint64_t backend_number(const struct device *device, const char *name)
{
    uint64_t number;
    return store_read_number(backend_node(device, name), &number) ? number : 0;
}

static void disconnect(struct device *device)
{
    if (device == &vif)
        drivers->vif->disconnect();
    else
        drivers->vbd->disconnect();
    device->connected = false;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 12; i++) {
        const char digit = *text++;
        unsigned value;
        if (digit >= '0' && digit <= '9')
            value = (unsigned)(digit - '0');
        else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
            value = (unsigned)((digit | 0x20) - 'a' + 10);
        else
            return false;
        mac[i / 2] = (uint8_t)(mac[i / 2] << 4 | value);
        if (i % 2 == 1 && *text++ != (i == 11 ? '\0' : ':'))
            return false;
    }
    return true;
}

static bool connect_vif(void)
{
    struct vif_offer offer = {
        .id = vif.id,
        .backend = vif.backend,
        .fills_checksums = true,
        .cuts = backend_number(&vif, "feature-sg") && backend_number(&vif, "feature-gso-tcpv4"),
    };
    struct vif_rings rings;
    char mac[24];
    if (!store_read(node(&vif, "mac"), mac, sizeof mac) || !parse_mac(mac, offer.mac) || !drivers->vif->connect(&offer, &rings))
        return false;
    store_write_number(node(&vif, "tx-ring-ref"), rings.transmit);
    store_write_number(node(&vif, "rx-ring-ref"), rings.receive);
    store_write_number(node(&vif, "event-channel"), rings.port);
    store_write(node(&vif, "request-rx-copy"), "1");
    store_write(node(&vif, "feature-rx-notify"), "1");
    store_write_number(node(&vif, "feature-sg"), rings.takes_uncut);
    store_write_number(node(&vif, "feature-gso-tcpv4"), rings.takes_uncut);
    store_write_number(node(&vif, "state"), XenbusStateConnected);
    return true;
}

static bool connect_vbd(void)
{
    const struct vbd_offer offer = {.id = vbd.id, .backend = vbd.backend};
    struct vbd_ring ring;
    if (!drivers->vbd->connect(&offer, &ring))
        return false;
    store_write_number(node(&vbd, "ring-ref"), ring.reference);
    store_write_number(node(&vbd, "event-channel"), ring.port);
    store_write(node(&vbd, "protocol"), "x86_64-abi");
    store_write_number(node(&vbd, "state"), XenbusStateInitialised);
    return true;
}

static void connect(struct device *device)
{
    if (device->connected)
        return;
    device->connected = device == &vif ? connect_vif() : connect_vbd();
    if (!device->connected)
        say("%s/%u: it has no address, or there are no memory or grants for its rings", device->folder, device->id);
}

// Only now the backend has written what there is to know of the disk.
static void vbd_connected(void)
{
    const struct vbd_info info = {
        .sectors = backend_number(&vbd, "sectors"),
        .sector_size = (uint32_t)backend_number(&vbd, "sector-size"),
        .read_only = backend_number(&vbd, "info") & VDISK_READONLY,
        .flush = backend_number(&vbd, "feature-flush-cache"),
        .discard = backend_number(&vbd, "feature-discard"),
    };
    store_write_number(node(&vbd, "state"), XenbusStateConnected);
    drivers->vbd->connected(&info);
}

static void changed(struct device *device)
{
    uint64_t state;
    if (!store_read_number(backend_node(device, "state"), &state))
        state = XenbusStateClosed;
    switch (state) {
    case XenbusStateInitWait:
    case XenbusStateInitialised:
        connect(device);
        break;
    case XenbusStateConnected:
        connect(device);
        if (!device->connected)
            break; // it has been said why
        if (device == &vif)
            drivers->vif->connected();
        else
            vbd_connected();
        break;
    case XenbusStateClosing:
        // It lets go of the rings once it reads this, and says Closed then.
        if (device->connected)
            store_write_number(node(device, "state"), XenbusStateClosed);
        break;
    case XenbusStateClosed:
        disconnect(device);
        break;
    default:
        break;
    }
}

static bool read_backend(struct device *device, unsigned id)
{
    uint64_t backend;
    device->id = id;
    device->connected = false;
    if (!store_read(node(device, "backend"), device->path, sizeof device->path) || !store_read_number(node(device, "backend-id"), &backend))
        return false;
    device->backend = (domid_t)backend;
    return true;
}

// A device has come or gone.
static void look(struct device *device, void (*on_change)(void))
{
    unsigned id;
    const bool any = store_first_number(device->folder, &id);
    if (device->present && !(any && id == device->id)) {
        char path[STORE_PATH];
        if (store_read(node(device, "backend"), path, sizeof path))
            return; // one with a smaller number has come: we stay with ours
        store_unwatch(on_change);
        disconnect(device);
        device->present = false;
    }
    if (!device->present && any && read_backend(device, id)) {
        device->present = true;
        store_watch(backend_node(device, "state"), on_change);
    }
}

static void vif_changed(void)
{
    changed(&vif);
}

static void vifs_changed(void)
{
    look(&vif, vif_changed);
}

static void vbd_changed(void)
{
    changed(&vbd);
}

static void vbds_changed(void)
{
    look(&vbd, vbd_changed);
}

static bool start(const struct bus_drivers *the_drivers)
{
    if (!store_start())
        return false;
    store_write("control/feature-poweroff", "1");
    store_write("control/feature-reboot", "1");
    store_write("control/feature-suspend", "1");
    store_watch(SHUTDOWN_NODE, shutdown_changed);
    drivers = the_drivers;
    if (drivers->vif)
        store_watch(vif.folder, vifs_changed);
    if (drivers->vbd)
        store_watch(vbd.folder, vbds_changed);
    return true;
}

static void forget(void)
{
    vif.present = vif.connected = vbd.present = vbd.connected = false;
}

const struct bus store_bus = {.start = start, .forget = forget};
