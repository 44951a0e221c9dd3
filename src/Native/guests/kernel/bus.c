#include "bus.h"

#include <stddef.h>

static const struct bus *const buses[] = {&noxs_bus, &store_bus};
static const struct bus *bus; // NULL: this guest has none
static struct bus_drivers drivers;

void bus_drive_vif(const struct vif_driver *driver)
{
    drivers.vif = driver;
}

void bus_drive_vbd(const struct vbd_driver *driver)
{
    drivers.vbd = driver;
}

void bus_start(void)
{
    bus = NULL;
    for (unsigned i = 0; !bus && i < sizeof buses / sizeof *buses; i++) {
        if (buses[i]->start(&drivers))
            bus = buses[i];
    }
}

void bus_forget(void)
{
    if (bus)
        bus->forget();
    if (drivers.vif)
        drivers.vif->disconnect();
    if (drivers.vbd)
        drivers.vbd->disconnect();
}

void bus_settle(void)
{
    if (bus && drivers.vbd)
        drivers.vbd->settle();
}

void bus_pause(void)
{
    if (bus && bus->pause)
        bus->pause();
}

void bus_go_on(void)
{
    if (bus && bus->go_on)
        bus->go_on();
    if (bus && drivers.vbd)
        drivers.vbd->go_on();
}

void bus_look(void)
{
    if (bus && bus->look)
        bus->look();
}
