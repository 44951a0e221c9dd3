// Devices without a store: they are listed in the page that is in the place of the store's ring, and each has a page of its backend's.
// Nothing of that page is believed twice: what is needed of it is read once.
#include "bus.h"

#include "app.h"
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
    bool connected; // our state says so; never of sysctl
    struct noxs_entry over; // that the backend has closed: it is none, however long it is listed
};

static const struct bus_drivers *drivers;
static char control_pages[3][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct device sysctl = {.control = {.page = control_pages[0]}};
static struct device vif = {.control = {.page = control_pages[1]}};
static struct device vbd = {.control = {.page = control_pages[2]}};

static const volatile struct noxs_page *devices; // NULL: we have no such page

// That of a domain with a store lists nothing.
static const volatile struct noxs_page *hypervisor_page(void)
{
    const volatile struct noxs_page *const page = machine.is_pv ? pv_hypervisor_page() : NULL;
    return page && page->count ? page : NULL;
}

// A guest that is told to asks the hypervisor, as LightVM's guests do: they know of no page in their memory.
static const volatile struct noxs_page *device_page(void)
{
    char where[16];
    if (app_option("noxs", where, sizeof where) && strcmp(where, "hypervisor") == 0)
        return hypervisor_page();
    const char *const page = machine.store_place;
    if (!page || memcmp(page + PAGE_SIZE - sizeof NOXS_TAG + 1, NOXS_TAG, sizeof NOXS_TAG - 1) != 0)
        return NULL;
    const volatile struct noxs_page *const tagged = machine.store_place;
    return tagged->version == NOXS_VERSION ? tagged : NULL;
}

static bool is_same(const struct noxs_entry *one, const struct noxs_entry *other)
{
    return one->type == other->type && one->id == other->id && one->backend == other->backend &&
           one->serial == other->serial && one->grant == other->grant && one->port == other->port;
}

// The entry of a type that we have already, as long as it is listed; else that with the smallest id; one of type NOXS_NONE when there is none.
static struct noxs_entry find(enum noxs_type type, const struct device *device)
{
    struct noxs_entry found = {.type = NOXS_NONE};
    const uint32_t count = devices->count;
    for (uint32_t i = 0; i < count && i < NOXS_DEVICES; i++) {
        const struct noxs_entry entry = {devices->entries[i].type, devices->entries[i].id, devices->entries[i].backend, devices->entries[i].serial,
                                         devices->entries[i].grant, devices->entries[i].port};
        if (entry.type != type || is_same(&entry, &device->over))
            continue;
        if (is_same(&entry, &device->entry))
            return entry;
        if (entry.port != 0 && (found.type == NOXS_NONE || entry.id < found.id))
            found = entry;
    }
    return found;
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

// --- the interface and the disk ---

static bool connect_vif(void)
{
    enum { CUTS = NOXS_VIF_PARTS | NOXS_VIF_CUTS_TCP4 };
    volatile struct noxs_vif *const page = vif.control.page;
    const unsigned offered = page->backend_features;
    struct vif_offer offer = {
        .id = vif.entry.id,
        .backend = vif.entry.backend,
        .fills_checksums = !(offered & NOXS_VIF_NO_CHECKSUM_OFFLOAD),
        .cuts = (offered & CUTS) == CUTS,
    };
    struct vif_rings rings;
    for (unsigned i = 0; i < sizeof offer.mac; i++)
        offer.mac[i] = page->mac[i];
    if (!drivers->vif->connect(&offer, &rings))
        return false;
    page->queues = 1;
    page->transmit_ring = rings.transmit;
    page->receive_ring = rings.receive;
    page->transmit_port = page->receive_port = rings.port;
    page->receive_by_copy = 1;
    page->features = NOXS_VIF_RX_NOTIFY | (rings.takes_uncut ? NOXS_VIF_TAKES_PARTS | NOXS_VIF_TAKES_TCP4 : 0);
    page->control_ring = page->control_port = 0;
    return true;
}

static bool connect_vbd(void)
{
    static const char protocol[] = "x86_64-abi";
    volatile struct noxs_vbd *const page = vbd.control.page;
    const struct vbd_offer offer = {.id = vbd.entry.id, .backend = vbd.entry.backend};
    struct vbd_ring ring;
    if (!drivers->vbd->connect(&offer, &ring))
        return false;
    for (unsigned i = 0; i < sizeof protocol; i++)
        page->protocol[i] = protocol[i];
    page->features = 0;
    page->rings = 1;
    page->ring_pages_order = 0;
    page->port = ring.port;
    page->ring = ring.reference;
    return true;
}

static void vbd_connected(void)
{
    const volatile struct noxs_vbd *const page = vbd.control.page;
    const uint8_t features = page->backend_features;
    const struct vbd_info info = {
        .sectors = page->sectors,
        .sector_size = (uint32_t)page->sector_size,
        .read_only = page->mode == NOXS_VBD_READ_ONLY || (page->info & NOXS_VBD_READ_ONLY_INFO),
        .flush = features & NOXS_VBD_FLUSH,
        .discard = features & NOXS_VBD_DISCARD,
    };
    drivers->vbd->connected(&info);
}

static void connect(struct device *device)
{
    if (device->connected)
        return;
    if (!(device == &vif ? connect_vif() : connect_vbd())) {
        say("device %u %u: no memory or grants for its rings", device->entry.type, device->entry.id);
        return;
    }
    device->connected = true;
    tell(device, XenbusStateConnected);
}

static void disconnect(struct device *device)
{
    if (device == &vif)
        drivers->vif->disconnect();
    else
        drivers->vbd->disconnect();
    device->connected = false;
}

static void changed(struct device *device)
{
    listen(device);
    switch (__atomic_load_n(&header_of(device)->backend, __ATOMIC_SEQ_CST)) {
    case XenbusStateInitialising:
    case XenbusStateInitWait:
    case XenbusStateInitialised:
        connect(device);
        break;
    case XenbusStateConnected:
        // With a new domain's page in hand, this is a backend that knows our rings already.
        if (!device->connected)
            connect(device);
        else if (device == &vif)
            drivers->vif->connected();
        else
            vbd_connected();
        break;
    case XenbusStateClosing:
        if (device->connected)
            tell(device, XenbusStateClosed);
        break;
    case XenbusStateClosed:
        disconnect(device);
        device->over = device->entry;
        break;
    default:
        break;
    }
}

static void vif_changed(void)
{
    changed(&vif);
}

static void vbd_changed(void)
{
    changed(&vbd);
}

// --- the bus ---

// Devices come and go as the page says, at any time; after a suspend all of them are others.
static void look_for(struct device *device, enum noxs_type type, void (*on_change)(void))
{
    const struct noxs_entry entry = find(type, device);
    if (is_same(&entry, &device->entry))
        return;
    if (device != &sysctl)
        disconnect(device);
    let_go(device);
    if (entry.type != NOXS_NONE)
        take(device, &entry, on_change);
}

static void look(void)
{
    look_for(&sysctl, NOXS_SYSCTL, sysctl_changed);
    if (drivers->vif)
        look_for(&vif, NOXS_VIF, vif_changed);
    if (drivers->vbd)
        look_for(&vbd, NOXS_VBD, vbd_changed);
}

static bool start(const struct bus_drivers *the_drivers)
{
    drivers = the_drivers;
    devices = device_page();
    if (!devices)
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
    grants_unmap(&vbd.control);
}

static void forget(void)
{
    sysctl.port = vif.port = vbd.port = 0;
    sysctl.entry.type = vif.entry.type = vbd.entry.type = NOXS_NONE;
    vif.over.type = vbd.over.type = NOXS_NONE;
    vif.connected = vbd.connected = false;
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
    take_back(&vbd);
}

const struct bus noxs_bus = {.start = start, .forget = forget, .pause = pause, .go_on = go_on, .look = look};
