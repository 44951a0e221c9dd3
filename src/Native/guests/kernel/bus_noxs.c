// Devices without a store: they are listed in the page that is in the place of the store's ring, and each has a page of its backend's.
// Nothing of that page is believed twice: what is needed of it is read once.
#include "bus.h"

#include "bus_noxs.h"
#include "console.h"
#include "events.h"
#include "grants.h"
#include "hypercall.h"
#include "machine.h"
#include "power.h"

#include <xen/io/xenbus.h>

// A device that we have: its entry, and the page and port behind it.
struct device {
    struct noxs_entry entry; // type NOXS_NONE: we have none
    struct mapped control;
    evtchn_port_t port;
};

static const struct vif_driver *driver;
static char control_pages[2][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct device sysctl = {.control = {.page = control_pages[0]}};
static struct device vif = {.control = {.page = control_pages[1]}};
static bool vif_connected; // our state says so

static const volatile struct noxs_page *device_page(void)
{
    const char *const page = machine.store_place;
    if (!page || memcmp(page + PAGE_SIZE - sizeof NOXS_TAG + 1, NOXS_TAG, sizeof NOXS_TAG - 1) != 0)
        return NULL;
    const volatile struct noxs_page *const devices = machine.store_place;
    return devices->version == NOXS_VERSION ? devices : NULL;
}

// The entry with the smallest id of a type; one of type NOXS_NONE when there is none.
static struct noxs_entry find(enum noxs_type type)
{
    const volatile struct noxs_page *const page = device_page();
    struct noxs_entry found = {.type = NOXS_NONE};
    const uint32_t count = page ? page->count : 0;
    for (uint32_t i = 0; i < count && i < NOXS_DEVICES; i++) {
        const struct noxs_entry entry = {page->entries[i].type, page->entries[i].id, page->entries[i].backend, page->entries[i].grant,
                                         page->entries[i].port};
        if (entry.type == type && entry.port != 0 && (found.type == NOXS_NONE || entry.id < found.id))
            found = entry;
    }
    return found;
}

static bool is_same(const struct noxs_entry *one, const struct noxs_entry *other)
{
    return one->type == other->type && one->id == other->id && one->backend == other->backend && one->grant == other->grant &&
           one->port == other->port;
}

static volatile struct noxs_header *header_of(const struct device *device)
{
    return device->control.page;
}

// Tells the backend what we have written, and asks to be told of its changes.
static void tell(const struct device *device, enum xenbus_state state)
{
    volatile struct noxs_header *const header = header_of(device);
    header->frontend_watch = NOXS_WATCH_REQUESTED;
    __atomic_store_n(&header->frontend, state, __ATOMIC_SEQ_CST);
    if (header->backend_watch == NOXS_WATCH_REQUESTED)
        header->backend_watch = NOXS_WATCH_UPDATED;
    notify(device->port);
}

// Asks to be told again, before anything is read.
static void listen(const struct device *device)
{
    __atomic_store_n(&header_of(device)->frontend_watch, NOXS_WATCH_REQUESTED, __ATOMIC_SEQ_CST);
}

static void let_go(struct device *device)
{
    events_close(device->port);
    device->port = 0;
    grants_unmap(&device->control);
    device->entry.type = NOXS_NONE;
}

static void take(struct device *device, const struct noxs_entry *entry, void (*changed)(void))
{
    struct evtchn_bind_interdomain bind = {.remote_dom = entry->backend, .remote_port = entry->port};
    device->entry = *entry; // whatever becomes of it, it is not tried again until it changes
    if (!grants_map(&device->control, entry->backend, entry->grant)) {
        say("device %u %u: its page cannot be mapped", entry->type, entry->id);
        return;
    }
    if (hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, address_of(&bind), 0, 0)) {
        say("device %u %u: its port cannot be bound", entry->type, entry->id);
        grants_unmap(&device->control);
        return;
    }
    device->port = bind.local_port;
    events_bind(device->port, changed);
}

// --- what the toolstack asks for ---

static void sysctl_changed(void)
{
    static const struct {
        uint8_t bit;
        const char *word;
    } requests[] = {{NOXS_POWEROFF, "poweroff"}, {NOXS_REBOOT, "reboot"}, {NOXS_SUSPEND, "suspend"}, {NOXS_CRASH, "crash"}};
    struct noxs_sysctl *const page = sysctl.control.page;
    listen(&sysctl);
    if (__atomic_load_n(&page->header.backend, __ATOMIC_SEQ_CST) == XenbusStateInitWait) {
        page->features = NOXS_POWEROFF | NOXS_REBOOT | NOXS_SUSPEND;
        tell(&sysctl, XenbusStateConnected);
    }
    const uint8_t asked = __atomic_exchange_n(&page->request, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (asked & requests[i].bit) {
            power_request(requests[i].word, strlen(requests[i].word));
            return;
        }
    }
}

// --- the interface ---

static void disconnect(void)
{
    if (driver)
        driver->disconnect();
    vif_connected = false;
}

static void connect(void)
{
    volatile struct noxs_vif *const page = vif.control.page;
    struct vif_offer offer = {.id = vif.entry.id, .backend = vif.entry.backend};
    struct vif_rings rings;
    if (vif_connected)
        return;
    for (unsigned i = 0; i < sizeof offer.mac; i++)
        offer.mac[i] = page->mac[i];
    if (!driver->connect(&offer, &rings)) {
        say("vif %u: no memory or grants for its rings", offer.id);
        return;
    }
    page->queues = 1;
    page->transmit_ring = rings.transmit;
    page->receive_ring = rings.receive;
    page->transmit_port = page->receive_port = rings.port;
    page->receive_by_copy = 1;
    page->features = NOXS_VIF_RX_NOTIFY;
    page->control_ring = page->control_port = 0;
    vif_connected = true;
    tell(&vif, XenbusStateConnected);
}

static void vif_changed(void)
{
    listen(&vif);
    switch (__atomic_load_n(&header_of(&vif)->backend, __ATOMIC_SEQ_CST)) {
    case XenbusStateInitialising:
    case XenbusStateInitWait:
    case XenbusStateInitialised:
        connect();
        break;
    case XenbusStateConnected:
        // With a new domain's page in hand, this is a backend that knows our rings already.
        if (vif_connected)
            driver->connected();
        else
            connect();
        break;
    case XenbusStateClosing:
        if (vif_connected)
            tell(&vif, XenbusStateClosed);
        break;
    case XenbusStateClosed:
        disconnect();
        break;
    default:
        break;
    }
}

// --- the bus ---

// Backends come and go as the page says: after a suspend, and when whoever has them was restarted.
static void look(void)
{
    struct noxs_entry entry = find(NOXS_SYSCTL);
    if (!is_same(&entry, &sysctl.entry)) {
        let_go(&sysctl);
        if (entry.type != NOXS_NONE)
            take(&sysctl, &entry, sysctl_changed);
    }
    if (!driver)
        return;
    entry = find(NOXS_VIF);
    if (!is_same(&entry, &vif.entry)) {
        disconnect();
        let_go(&vif);
        if (entry.type != NOXS_NONE)
            take(&vif, &entry, vif_changed);
    }
}

static bool start(const struct vif_driver *vifs)
{
    driver = vifs;
    if (!device_page())
        return false;
    look();
    return true;
}

// Whoever asked us learns that we go. And no saved image may hold another domain's frames.
static void pause(void)
{
    if (sysctl.control.is_there)
        tell(&sysctl, XenbusStateClosed);
    grants_unmap(&sysctl.control);
    grants_unmap(&vif.control);
}

static void forget(void)
{
    sysctl.port = vif.port = 0;
    sysctl.entry.type = vif.entry.type = NOXS_NONE;
    vif_connected = false;
}

static void take_back(struct device *device)
{
    if (device->port == 0)
        return;
    if (grants_map(&device->control, device->entry.backend, device->entry.grant))
        events_again(device->port);
    else
        let_go(device); // and look takes what the page has now
}

// The backends have had our rings all the time.
static void go_on(void)
{
    take_back(&sysctl);
    if (sysctl.control.is_there)
        tell(&sysctl, XenbusStateInitialising);
    take_back(&vif);
}

const struct bus noxs_bus = {.start = start, .forget = forget, .pause = pause, .go_on = go_on, .look = look};
