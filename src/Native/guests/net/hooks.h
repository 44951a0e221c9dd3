// Where lwIP asks us: net.c.
#pragma once

struct tcp_pcb;

// With each packet of a connection, before lwIP looks at it.
void net_packet(struct tcp_pcb *connection);

#define LWIP_HOOK_TCP_INPACKET_PCB(connection, ...) (net_packet(connection), ERR_OK)
