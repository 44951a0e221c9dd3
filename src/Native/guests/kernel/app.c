#include "app.h"

const char app_name[] = GUEST_NAME;
