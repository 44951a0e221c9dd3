#include "bus.h"

static const struct bus *const buses[] = {&store_bus};
static const struct vif_driver *vif_driver;

void bus_drive_vif(const struct vif_driver *driver)
{
    vif_driver = driver;
}

void bus_start(void)
{
    for (unsigned i = 0; i < sizeof buses / sizeof *buses; i++) {
        if (buses[i]->start(vif_driver))
            return;
    }
}

void bus_forget(void)
{
    for (unsigned i = 0; i < sizeof buses / sizeof *buses; i++)
        buses[i]->forget();
    if (vif_driver)
        vif_driver->disconnect();
}
