#include "net.h"

#include "app.h"
#include "events.h"
#include "hooks.h"
#include "machine.h"
#include "netfront.h"
#include "pages.h"
#include "power.h"

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip4_frag.h"
#include "lwip/netif.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "lwip/priv/tcp_priv.h"
#include "netif/ethernet.h"

#define MILLISECOND UINT64_C(1000000)
#define MINUTE (60000 * MILLISECOND)

void *net_heap;

static struct netif interface;
static bool by_dhcp;
static unsigned announcements; // still to be made
static u16_t checksums; // that lwIP makes, and looks at
static bool cuts;       // the backend does, what is too long for a wire

// What the backend cuts is as long as half of what lwIP keeps of a connection: the one half is under way while the other is made.
enum { WIRE = 1500, HEADERS = 40, UNCUT = TCP_SND_BUF / 2 };
_Static_assert(UNCUT + HEADERS + 14 <= LONGEST_UNCUT, "netfront's parts");

uint32_t sys_now(void)
{
    return (uint32_t)(clock_now() / MILLISECOND);
}

// --- frames ---

static unsigned number_at(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

// Whether the frame's checksum is left to the backend: that of TCP, in the place of which then is that of the pseudo header.
static bool leave_checksum(uint8_t *frame, size_t length)
{
    enum { IP = 14, ADDRESSES = IP + 12, ADDRESSES_END = IP + 20, CHECKSUM = 16 };
    if ((checksums & NETIF_CHECKSUM_GEN_TCP) || length < ADDRESSES_END || number_at(frame + IP - 2) != 0x0800 || frame[IP + 9] != IP_PROTO_TCP)
        return false;
    const unsigned header = (frame[IP] & 15) * 4u;
    uint32_t sum = IP_PROTO_TCP + number_at(frame + IP + 2) - header;
    for (unsigned i = ADDRESSES; i < ADDRESSES_END; i += 2)
        sum += number_at(frame + i);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    frame[IP + header + CHECKSUM] = (uint8_t)(sum >> 8);
    frame[IP + header + CHECKSUM + 1] = (uint8_t)sum;
    return true;
}

static err_t send(struct netif *netif, struct pbuf *frame)
{
    (void)netif;
    const u16_t length = frame->tot_len;
    if (length > (cuts ? LONGEST_UNCUT : LONGEST_FRAME))
        return ERR_BUF;
    if (!netfront_room(length))
        return ERR_MEM;
    for (unsigned offset = 0; offset < length; offset += PAGE_SIZE) {
        const unsigned rest = length - offset;
        pbuf_copy_partial(frame, netfront_part(offset / PAGE_SIZE), (u16_t)(rest < PAGE_SIZE ? rest : PAGE_SIZE), (u16_t)offset);
    }
    netfront_send(length, leave_checksum(netfront_part(0), length), length > LONGEST_FRAME ? TCP_MSS : 0);
    return ERR_OK;
}

// TCP alone is left to the backend uncut. Of all else fragments are made, as if the interface took no more than a wire.
static err_t output(struct netif *netif, struct pbuf *packet, const ip4_addr_t *to)
{
    if (packet->tot_len <= WIRE || IPH_PROTO((const struct ip_hdr *)packet->payload) == IP_PROTO_TCP)
        return etharp_output(netif, packet, to);
    const u16_t mtu = netif->mtu;
    netif->mtu = WIRE;
    const err_t error = ip4_frag(packet, netif, to);
    netif->mtu = mtu;
    return error;
}

// lwIP makes segments no longer than what it holds for the connection's: with a backend that cuts, they may be longer than the other side's are,
// if that takes all that fits a wire (so that all are cut alike). They stay that long, because some may be on their way: where the next backend
// does not cut, lwIP makes fragments of them. The window of congestion has to take one, or nothing would go any more.
void net_packet(struct tcp_pcb *connection)
{
    if (!cuts || connection->state != ESTABLISHED || connection->mss != TCP_MSS)
        return;
    connection->mss = UNCUT;
    if (connection->cwnd < UNCUT)
        connection->cwnd = UNCUT;
}

static struct pbuf *coming; // the parts of a frame that are here
static bool is_lost;        // one of them is not

static void forget_parts(void)
{
    if (coming)
        pbuf_free(coming);
    coming = NULL;
}

static void received(const void *part, size_t length, bool more, bool verified)
{
    struct pbuf *const buffer = part && !is_lost ? pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_RAM) : NULL;
    if (!buffer || (coming && coming->tot_len + length > UINT16_MAX)) {
        if (buffer)
            pbuf_free(buffer);
        forget_parts();
        is_lost = more;
        return;
    }
    pbuf_take(buffer, part, (u16_t)length);
    if (coming)
        pbuf_cat(coming, buffer);
    else
        coming = buffer;
    if (more)
        return;
    struct pbuf *const frame = coming;
    coming = NULL;
    NETIF_SET_CHECKSUM_CTRL(&interface, verified ? (u16_t)(checksums & ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP)) : checksums);
    if (interface.input(frame, &interface) != ERR_OK)
        pbuf_free(frame);
}

// --- the interface ---

// Tells the neighbours where this address is now, which another guest may have had, or we on another host. More than once
// (RFC 5227 has twice, two seconds apart): the backend's bridge may need a moment until it lets frames through.
static void announce(void *unused)
{
    (void)unused;
    if (!ip4_addr_isany_val(*netif_ip4_addr(&interface)))
        etharp_gratuitous(&interface);
    if (--announcements > 0)
        sys_timeout(1000, announce, NULL);
}

// UDP has its checksums made here: a fragment of a datagram cannot have it made by others. Nor can one of a segment that was to be cut, so that TCP's
// are left to who cuts as well.
static void up(const uint8_t mac[6], bool fills_checksums, bool backend_cuts)
{
    cuts = fills_checksums && backend_cuts;
    checksums = cuts ? NETIF_CHECKSUM_ENABLE_ALL & ~NETIF_CHECKSUM_GEN_TCP : NETIF_CHECKSUM_ENABLE_ALL;
    NETIF_SET_CHECKSUM_CTRL(&interface, checksums);
    interface.mtu = cuts ? UNCUT + HEADERS : WIRE;
    memcpy(interface.hwaddr, mac, sizeof interface.hwaddr);
    netif_set_link_up(&interface);
    announcements = 3;
    sys_untimeout(announce, NULL);
    sys_timeout(500, announce, NULL);
}

static void down(void)
{
    netif_set_link_down(&interface);
    forget_parts();
    is_lost = false;
    announcements = 0;
    sys_untimeout(announce, NULL);
}

const char *net_address(void)
{
    return ip4addr_ntoa(netif_ip4_addr(&interface));
}

static void address_changed(struct netif *netif)
{
    if (netif_is_up(netif) && !ip4_addr_isany_val(*netif_ip4_addr(netif)))
        say("address %s", net_address());
}

static err_t initialise(struct netif *netif)
{
    netif->name[0] = 'v';
    netif->name[1] = 'i';
    netif->output = output;
    netif->linkoutput = send;
    netif->mtu = WIRE;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

// ADDRESS/BITS into an address and a mask.
static bool parse_address(char *text, ip4_addr_t *address, ip4_addr_t *mask)
{
    char *slash = text;
    while (*slash && *slash != '/')
        slash++;
    if (!*slash)
        return false;
    *slash++ = '\0';
    unsigned bits = 0;
    for (const char *digit = slash; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || bits > 32)
            return false;
        bits = bits * 10 + (unsigned)(*digit - '0');
    }
    if (!*slash || bits > 32)
        return false;
    mask->addr = bits == 0 ? 0 : lwip_htonl(UINT32_MAX << (32 - bits));
    return ip4addr_aton(text, address);
}

static void set_address(void)
{
    char text[24], gateway_text[24];
    ip4_addr_t address, mask, gateway = {0};
    by_dhcp = !app_option("ip", text, sizeof text);
    if (by_dhcp) {
        dhcp_start(&interface);
        return;
    }
    const bool has_gateway = app_option("gateway", gateway_text, sizeof gateway_text);
    if (!parse_address(text, &address, &mask) || (has_gateway && !ip4addr_aton(gateway_text, &gateway)))
        power_crash("ip=ADDRESS/BITS gateway=ADDRESS is how an address is given");
    netif_set_addr(&interface, &address, &mask, &gateway);
}

// lwIP's clocks tick several times a second, also when nothing goes on. Then once a minute is enough: a guest that has
// nothing to do should cost nothing. What it knows of its neighbours does not age meanwhile, so it is forgotten.
static bool is_quiet(void)
{
    return !tcp_active_pcbs && !tcp_tw_pcbs && announcements == 0 && (!by_dhcp || dhcp_supplied_address(&interface) || !netif_is_link_up(&interface));
}

static uint64_t each_round(void)
{
    static uint64_t quiet_since = NEVER;
    sys_check_timeouts();
    if (is_quiet()) {
        const uint64_t now = clock_now();
        if (quiet_since == NEVER)
            quiet_since = now;
        if (now - quiet_since >= MINUTE) {
            etharp_cleanup_netif(&interface);
            quiet_since = now;
        }
        return quiet_since + MINUTE;
    }
    quiet_since = NEVER;
    const uint32_t wait = sys_timeouts_sleeptime();
    return wait == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? NEVER : clock_now() + wait * MILLISECOND;
}

void net_start(void)
{
    static const struct netfront_user user = {up, down, received};
    net_heap = pages_take((MEM_SIZE + PAGE_SIZE) / PAGE_SIZE + 1);
    if (!net_heap)
        power_crash("too little memory for a network");
    lwip_init();
    netif_add(&interface, NULL, NULL, NULL, NULL, initialise, ethernet_input);
    netif_set_status_callback(&interface, address_changed);
    netif_set_default(&interface);
    netif_set_up(&interface);
    set_address();
    netfront_start(&user);
    app_each_round(each_round);
}

void net_listen(uint16_t port, tcp_accept_fn accept)
{
    struct tcp_pcb *pcb = tcp_new();
    if (!pcb || tcp_bind(pcb, IP4_ADDR_ANY, port) != ERR_OK || !(pcb = tcp_listen_with_backlog(pcb, 64)))
        power_crash("no memory to listen with");
    tcp_accept(pcb, accept);
}
