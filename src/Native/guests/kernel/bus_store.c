// Devices by Xenstore: control/shutdown, and the nodes of xen/io/netif.h below device/vif and at the backend.
#include "bus.h"

#include "console.h"
#include "power.h"
#include "store.h"
#include "text.h"

#include <xen/io/xenbus.h>

#define SHUTDOWN_NODE "control/shutdown"

static const struct vif_driver *driver;

static struct {
    bool present;
    bool connected; // our state says so
    struct vif_offer offer;
    char backend[STORE_PATH - 8]; // its folder
} vif;

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

// --- the interface ---

static const char *node(const char *name)
{
    static char path[STORE_PATH];
    format(path, sizeof path, "device/vif/%u/%s", vif.offer.id, name);
    return path;
}

static const char *backend_node(const char *name)
{
    static char path[STORE_PATH];
    format(path, sizeof path, "%s/%s", vif.backend, name);
    return path;
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

static void connect(void)
{
    struct vif_rings rings;
    if (vif.connected)
        return;
    if (!driver->connect(&vif.offer, &rings)) {
        say("vif %u: no memory or grants for its rings", vif.offer.id);
        return;
    }
    store_write_number(node("tx-ring-ref"), rings.transmit);
    store_write_number(node("rx-ring-ref"), rings.receive);
    store_write_number(node("event-channel"), rings.port);
    store_write(node("request-rx-copy"), "1");
    store_write(node("feature-rx-notify"), "1");
    store_write_number(node("state"), XenbusStateConnected);
    vif.connected = true;
}

static void disconnect(void)
{
    driver->disconnect();
    vif.connected = false;
}

static void backend_changed(void)
{
    uint64_t state;
    if (!store_read_number(backend_node("state"), &state))
        state = XenbusStateClosed;
    switch (state) {
    case XenbusStateInitWait:
    case XenbusStateInitialised:
        connect();
        break;
    case XenbusStateConnected:
        connect();
        driver->connected();
        break;
    case XenbusStateClosing:
        // It lets go of the rings once it reads this, and says Closed then.
        if (vif.connected)
            store_write_number(node("state"), XenbusStateClosed);
        break;
    case XenbusStateClosed:
        disconnect();
        break;
    default:
        break;
    }
}

static bool read_offer(unsigned id)
{
    uint64_t backend;
    char mac[24];
    vif.offer.id = id;
    vif.connected = false;
    if (!store_read(node("backend"), vif.backend, sizeof vif.backend) || !store_read_number(node("backend-id"), &backend) ||
        !store_read(node("mac"), mac, sizeof mac))
        return false;
    vif.offer.backend = (domid_t)backend;
    return parse_mac(mac, vif.offer.mac);
}

// An interface has come or gone.
static void vifs_changed(void)
{
    unsigned id;
    const bool any = store_first_number("device/vif", &id);
    if (vif.present && !(any && id == vif.offer.id)) {
        char path[STORE_PATH];
        if (store_read(node("backend"), path, sizeof path))
            return; // one with a smaller number has come: we stay with ours
        store_unwatch(backend_changed);
        disconnect();
        vif.present = false;
    }
    if (!vif.present && any && read_offer(id)) {
        vif.present = true;
        store_watch(backend_node("state"), backend_changed);
    }
}

static bool start(const struct vif_driver *vifs)
{
    if (!store_start())
        return false;
    store_write("control/feature-poweroff", "1");
    store_write("control/feature-reboot", "1");
    store_write("control/feature-suspend", "1");
    store_watch(SHUTDOWN_NODE, shutdown_changed);
    driver = vifs;
    if (driver)
        store_watch("device/vif", vifs_changed);
    return true;
}

static void forget(void)
{
    vif.present = vif.connected = false;
}

const struct bus store_bus = {.start = start, .forget = forget};
