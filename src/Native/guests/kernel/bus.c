#include "bus.h"

#include <stddef.h>

static const struct bus *const buses[] = {&noxs_bus, &store_bus};
static const struct bus *bus; // NULL: this guest has none
static const struct vif_driver *vif_driver;

void bus_drive_vif(const struct vif_driver *driver)
{
    vif_driver = driver;
}

void bus_start(void)
{
    bus = NULL;
    for (unsigned i = 0; !bus && i < sizeof buses / sizeof *buses; i++) {
        if (buses[i]->start(vif_driver))
            bus = buses[i];
    }
}

void bus_forget(void)
{
    if (bus)
        bus->forget();
    if (vif_driver)
        vif_driver->disconnect();
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
}

void bus_look(void)
{
    if (bus && bus->look)
        bus->look();
}
