// Sleeps until it is asked to power off, reboot or suspend. What a guest costs that does nothing.
#include "app.h"

void app_start(void)
{
}
