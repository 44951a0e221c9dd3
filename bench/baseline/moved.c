/* SPDX-License-Identifier: BSD-3-Clause
 * The yardstick of moves: what a PVH guest's stop-and-copy between two hosts costs when nothing stands between libxc and the wire.
 *
 * moved receive ADDRESS PORT: for each connection, a domain that is made before anything comes, libxc's restore out of the socket, the
 * guest's start, and one word back; the domain is destroyed when the connection ends. It ends with its standard input.
 *
 * moved send ADDRESS PORT: for each line "DOMAIN MIB" of its standard input, libxc's live save of a guest of so much memory into such
 * a connection. Prints "TOTAL,DOWNTIME" in milliseconds: until that word has come, from the begin and from when the hypervisor said that the
 * guest is suspended. The word is how long ago the guest was started, of which a downtime is free, as the engine's is: where dom0 has one
 * processor, the guest takes it before its host has found the time to say so. The guest stays suspended, for whoever made it.
 *
 * No store at the target, no checksum, nobody whose guest it is if one of the two dies, and whoever reaches the port may send: for
 * wires between labs. */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenguest.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "saved.h"

#define MAX_MEMORY_SLACK_KIB 1024u

/* Until the target has worked off what it has got. */
#define SETTLING_MS 200

static xc_interface *xc;

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "moved: %s: %s\n", what, strerror(errno));
    exit(1);
}

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        if ((call) < 0) {                                                                                              \
            fprintf(stderr, "moved: %s: %s\n", #call, strerror(errno));                                                \
            return -1;                                                                                                 \
        }                                                                                                              \
    } while (0)

static struct addrinfo *resolve(const char *address, const char *port)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found;
    int error = getaddrinfo(address, port, &hints, &found);
    if (error) {
        fprintf(stderr, "moved: %s: %s\n", address, gai_strerror(error));
        exit(1);
    }
    return found;
}

/* libxc writes small records, of which none shall wait for the one before to be acknowledged. */
static void send_at_once(int connection)
{
    if (setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)))
        die("TCP_NODELAY");
}

/* --- the target ------------------------------------------------------------------------------------------------------ */

/* An empty PVH domain, by the hypercalls of src/Native/xen/domain.c. */
static int prepare(uint32_t *domain, uint32_t mib, uint32_t *store_port, uint32_t *console_port)
{
    xc_physinfo_t physical = { 0 };
    TRY(xc_physinfo(xc, &physical));
    struct xen_domctl_createdomain config = {
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap,
        .max_vcpus = 1,
        .max_evtchn_port = 1023,
        .max_grant_frames = -1,
        .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(physical.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2 ? 2 : 1),
        .arch = { .emulation_flags = XEN_X86_EMU_LAPIC },
    };
    if (getrandom(config.handle, sizeof config.handle, 0) != sizeof config.handle)
        return -1;
    TRY(xc_domain_create(xc, domain, &config));
    TRY(xc_domain_max_vcpus(xc, *domain, 1));
    uint64_t limit_kib = mib * UINT64_C(1024) + MAX_MEMORY_SLACK_KIB;
    TRY(xc_domain_setmaxmem(xc, *domain, limit_kib));
    uint64_t pool_kib = 1024 + 8 * (limit_kib / 1024);
    TRY(xc_set_paging_mempool_size(xc, *domain, (pool_kib + 1023) / 1024 * 1024 * 1024));
    TRY(xc_domain_set_tsc_info(xc, *domain, 0, 0, 0, 0));
    TRY(xc_cpuid_apply_policy(xc, *domain, false, NULL, 0, true, false, false, NULL, NULL));
    int store_end = xc_evtchn_alloc_unbound(xc, *domain, 0);
    TRY(store_end);
    int console_end = xc_evtchn_alloc_unbound(xc, *domain, 0);
    TRY(console_end);
    *store_port = (uint32_t)store_end;
    *console_port = (uint32_t)console_end;
    return 0;
}

static int take(int connection, uint32_t *domain)
{
    uint32_t mib, store_port, console_port;
    unsigned long store_frame, console_frame;
    char word = 'r';
    if (recv(connection, &mib, sizeof mib, MSG_WAITALL) != sizeof mib)
        return -1;
    TRY(prepare(domain, mib, &store_port, &console_port));
    TRY(write(connection, &word, 1));
    TRY(saved_read(xc, *domain, connection, store_port, &store_frame, console_port, &console_frame));
    double started = now_ms();
    TRY(xc_domain_unpause(xc, *domain));
    double since = now_ms() - started;
    TRY(write(connection, &since, sizeof since));
    return read(connection, &word, 1) == 0 ? 0 : -1; /* until the source has seen it */
}

static void receive(const char *address, const char *port)
{
    struct addrinfo *at = resolve(address, port);
    int listener = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) || bind(listener, at->ai_addr, at->ai_addrlen) ||
        listen(listener, 1))
        die(address);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct pollfd files[] = { { .fd = listener, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
        if (poll(files, 2, -1) < 0)
            die("poll");
        if (files[1].revents)
            return;
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            die("accept");
        send_at_once(connection);
        uint32_t domain = 0;
        if (take(connection, &domain))
            fprintf(stderr, "moved: a guest did not come\n");
        if (domain)
            xc_domain_destroy(xc, domain);
        close(connection);
    }
}

/* --- the source ------------------------------------------------------------------------------------------------------ */

/* What was sent before must not be counted to the guest's standing still: here nobody says when the other side is through with it. */
static void settle(int connection)
{
    int unsent = 0;
    do
        usleep(1000);
    while (!ioctl(connection, TIOCOUTQ, &unsent) && unsent > 0);
    usleep(SETTLING_MS * 1000);
}

static int give(const struct addrinfo *to, struct xs_handle *store, uint32_t domain, uint32_t mib)
{
    int connection = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    TRY(connection);
    TRY(connect(connection, to->ai_addr, to->ai_addrlen));
    send_at_once(connection);
    char word;
    double suspended, since;
    TRY(write(connection, &mib, sizeof mib));
    TRY(read(connection, &word, 1) == 1 ? 0 : -1);
    double begin = now_ms();
    TRY(saved_write_live(xc, store, domain, connection, settle, now_ms, &suspended));
    TRY(recv(connection, &since, sizeof since, MSG_WAITALL) == sizeof since ? 0 : -1);
    double end = now_ms();
    close(connection);
    printf("%.3f,%.3f\n", end - begin, end - suspended - since);
    fflush(stdout);
    return 0;
}

static void send_all(const char *address, const char *port)
{
    struct addrinfo *to = resolve(address, port);
    struct xs_handle *store = xs_open(XS_OPEN_SOCKETONLY);
    if (!store)
        die("xs_open");
    uint32_t domain, mib;
    while (scanf("%" SCNu32 " %" SCNu32, &domain, &mib) == 2) {
        if (give(to, store, domain, mib))
            exit(1);
    }
    xs_close(store);
}

int main(int argc, char **argv)
{
    bool is_target = argc == 4 && !strcmp(argv[1], "receive");
    if (!is_target && (argc != 4 || strcmp(argv[1], "send"))) {
        fprintf(stderr, "usage: moved receive|send ADDRESS PORT\n");
        return 2;
    }

    xentoollog_logger *logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    xc = xc_interface_open(logger, logger, 0);
    if (!xc)
        die("xc_interface_open");
    if (is_target)
        receive(argv[2], argv[3]);
    else
        send_all(argv[2], argv[3]);
    xc_interface_close(xc);
    return 0;
}
