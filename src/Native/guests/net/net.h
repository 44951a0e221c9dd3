// The network for applications: lwIP (its raw interface, lwip/tcp.h and lwip/udp.h) over the guest's interface.
//
// The address is what the command line says, `ip=ADDRESS/BITS` and perhaps `gateway=ADDRESS`; without it, DHCP is asked.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lwip/tcp.h"

// In app_start. The address comes later, and can come anew.
void net_start(void);

// The address as text; "0.0.0.0" when there is none yet.
const char *net_address(void);

// The function is called with each connection to this port. What does not go is a crash: there is no application then.
void net_listen(uint16_t port, tcp_accept_fn accept);
