// lwIP's configuration: one thread, IPv4, TCP and UDP by the raw interface, an address by hand or by DHCP.
#pragma once

#include <stddef.h>

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 0
#define LWIP_DNS 0
#define LWIP_IPV6 0
#define LWIP_DHCP 1
#define LWIP_RAW 1 // for ping
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_HOOK_FILENAME "hooks.h"

// The heap is taken from the free pages at start (net.c): it makes no image larger.
#define MEM_SIZE (192 * 1024)
#define MEM_ALIGNMENT 8
extern void *net_heap;
#define LWIP_RAM_HEAP_POINTER net_heap

// All else is taken from the heap as well, so that what is not used costs nothing.
#define MEMP_MEM_MALLOC 1
#define MEM_LIBC_MALLOC 0
#define MEMP_NUM_TCP_PCB 64
#define PBUF_POOL_BUFSIZE 1536

#define TCP_MSS 1460
#define TCP_WND (16 * TCP_MSS)
#define TCP_SND_BUF (16 * TCP_MSS)
#define TCP_SND_QUEUELEN 64
#define TCP_LISTEN_BACKLOG 1
// Short connections are what the applications serve: who has closed first need not be remembered for minutes.
#define TCP_MSL 1000UL
