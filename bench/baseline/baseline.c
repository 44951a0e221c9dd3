/* SPDX-License-Identifier: BSD-3-Clause
 * The yardstick: what creating a PV guest costs when nothing stands between the caller and Xen's libraries.
 *
 * It makes the hypercalls of src/Native/xen and writes the store nodes of src/LightVM.Engine/Xen/XenstoreDirectory.cs, in the
 * order of src/LightVM.Engine/Domains/DomainCreation.cs and under its names of the steps, and does nothing else: no checks, no
 * names to look up, no error messages worth the name. Whoever changes one changes the other, or the comparison is none.
 *
 * With --image, each guest is checkpointed, saved to that file, restored and destroyed instead (saved.c): what a bare
 * xc_domain_save and xc_domain_restore cost.
 *
 * Prints CSV, one line a guest, in milliseconds. --pause lets the daemons finish with a guest before it is destroyed, and
 * again before the next is made. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenguest.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "devices.h"
#include "saved.h"

#define MAX_MEMORY_SLACK_KIB 1024ul

enum { DOMAIN, LIMITS, PORTS, DEVICES, MEMORY, KERNEL, BUILD, BOOT, GRANTS, PUBLISH, BACKENDS, START, STEPS };

static const char *const step_names[STEPS] = { "domain", "limits", "ports",  "devices", "memory",   "kernel",
                                               "build",  "boot",   "grants", "publish", "backends", "start" };

struct options {
    const char *kernel_path;
    unsigned int memory_mib;
    int count;
    int warm_up;
    unsigned int pause_ms;
    struct devices devices;
    const char *image_path;
    bool keep;
    bool paused;
};

struct guest {
    bool has_root; /* its directory of the store came with its devices */
    uint32_t id;
    uint8_t uuid[16];
    char uuid_text[37];
    char name[64];
};

static xc_interface *xc;
static struct xs_handle *store;
static void *kernel;
static size_t kernel_size;
static uint32_t grant_version;

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "baseline: %s: %s\n", what, strerror(errno));
    exit(1);
}

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        if ((call) < 0) {                                                                                              \
            fprintf(stderr, "baseline: %s: %s\n", #call, strerror(errno));                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
    } while (0)

static void load_kernel(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        die(path);
    long size = ftell(file);
    rewind(file);
    kernel = size > 0 ? malloc((size_t)size) : NULL;
    if (!kernel || fread(kernel, 1, (size_t)size, file) != (size_t)size)
        die(path);
    fclose(file);
    kernel_size = (size_t)size;
}

static void new_identity(struct guest *guest, int number)
{
    if (getrandom(guest->uuid, sizeof guest->uuid, 0) != sizeof guest->uuid)
        die("getrandom");
    const uint8_t *u = guest->uuid;
    guest->uuid[6] = (u[6] & 0x0f) | 0x40;
    guest->uuid[8] = (u[8] & 0x3f) | 0x80;
    snprintf(guest->uuid_text, sizeof guest->uuid_text,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3], u[4], u[5],
             u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
    snprintf(guest->name, sizeof guest->name, "baseline-%d-%d", (int)getpid(), number);
}

/* --- the store --------------------------------------------------------------------------------------------------- */

static int write_text(const char *path, const char *value)
{
    return xs_write(store, XBT_NULL, path, value, (unsigned int)strlen(value)) ? 0 : -1;
}

static int write_below(const char *root, const char *key, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, key);
    return write_text(path, value);
}

static int write_number(const char *root, const char *key, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return write_below(root, key, text);
}

static int write_nodes(const struct guest *guest, uint64_t memory_kib, uint32_t store_port, uint64_t store_frame,
                       uint32_t console_port, uint64_t console_frame)
{
    char root[64], vm[64], path[128], text[64];
    snprintf(root, sizeof root, "/local/domain/%u", guest->id);
    snprintf(vm, sizeof vm, "/vm/%s", guest->uuid_text);
    struct xs_permissions readable[] = { { .id = 0, .perms = XS_PERM_NONE }, { .id = guest->id, .perms = XS_PERM_READ } };
    struct xs_permissions its_own[] = { { .id = guest->id, .perms = XS_PERM_NONE } };

    if (!guest->has_root) {
        TRY(write_text(root, ""));
        TRY(xs_set_permissions(store, XBT_NULL, root, readable, 2) ? 0 : -1);
    }
    TRY(write_below(root, "vm", vm));
    TRY(write_number(root, "domid", guest->id));
    TRY(write_below(root, "cpu/0/availability", "online"));
    TRY(write_number(root, "memory/static-max", memory_kib));
    TRY(write_number(root, "memory/target", memory_kib));
    TRY(write_number(root, "store/port", store_port));
    TRY(write_number(root, "store/ring-ref", store_frame));
    TRY(write_number(root, "console/port", console_port));
    TRY(write_number(root, "console/ring-ref", console_frame));
    TRY(write_below(root, "console/type", "xenconsoled"));
    TRY(write_below(root, "console/output", "pty"));
    TRY(write_below(root, "console/limit", "1048576"));
    TRY(write_below(root, "control", ""));
    snprintf(path, sizeof path, "%s/control", root);
    TRY(xs_set_permissions(store, XBT_NULL, path, its_own, 1) ? 0 : -1);
    TRY(write_below(root, "control/shutdown", ""));
    TRY(write_below(vm, "uuid", guest->uuid_text));
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    snprintf(text, sizeof text, "%.2f", (double)time.tv_sec + (double)time.tv_nsec / 1e9);
    TRY(write_below(vm, "start_time", text));
    snprintf(path, sizeof path, "/libxl/%u/type", guest->id);
    TRY(write_text(path, "pv"));
    TRY(write_below(root, "name", guest->name));
    return write_below(vm, "name", guest->name);
}

static int publish(const struct guest *guest, uint64_t memory_kib, uint32_t store_port, uint64_t store_frame,
                   uint32_t console_port, uint64_t console_frame)
{
    TRY(write_nodes(guest, memory_kib, store_port, store_frame, console_port, console_frame));
    return xs_introduce_domain(store, guest->id, store_frame, store_port) ? 0 : -1;
}

static void withdraw(const struct guest *guest)
{
    char path[128];
    unsigned int count = 0;
    snprintf(path, sizeof path, "/local/domain/%u", guest->id);
    xs_rm(store, XBT_NULL, path);
    snprintf(path, sizeof path, "/libxl/%u", guest->id);
    xs_rm(store, XBT_NULL, path);
    snprintf(path, sizeof path, "/vm/%s", guest->uuid_text);
    xs_rm(store, XBT_NULL, path);
    char **kinds = xs_directory(store, XBT_NULL, "/local/domain/0/backend", &count);
    for (unsigned int i = 0; kinds && i < count; i++) {
        snprintf(path, sizeof path, "/local/domain/0/backend/%s/%u", kinds[i], guest->id);
        xs_rm(store, XBT_NULL, path);
    }
    free(kinds);
}

/* --- the guest ----------------------------------------------------------------------------------------------------- */

static int build(struct xc_dom_image *dom, struct guest *guest, const struct options *options, uint32_t store_port,
                 uint32_t console_port, double *at)
{
    char type[] = "xen-3.0-x86_64";
    dom->container_type = XC_DOM_PV_CONTAINER;
    dom->guest_type = type;
    dom->xenstore_evtchn = store_port;
    dom->console_evtchn = console_port;
    dom->max_vcpus = 1;
    TRY(xc_dom_boot_xen_init(dom, xc, guest->id));
    TRY(xc_dom_mem_init(dom, options->memory_mib));
    TRY(xc_dom_boot_mem_init(dom));
    at[MEMORY] = now_ms();

    TRY(xc_dom_kernel_mem(dom, kernel, kernel_size));
    TRY(xc_dom_parse_image(dom));
    at[KERNEL] = now_ms();
    TRY(xc_dom_build_image(dom));
    at[BUILD] = now_ms();
    TRY(xc_dom_boot_image(dom));
    at[BOOT] = now_ms();
    TRY(xc_dom_gnttab_init(dom));
    at[GRANTS] = now_ms();

    TRY(publish(guest, options->memory_mib * UINT64_C(1024), store_port, dom->pv_p2m[dom->xenstore_pfn], console_port,
                dom->pv_p2m[dom->console_pfn]));
    at[PUBLISH] = now_ms();
    TRY(devices_await(store, &options->devices, guest->id));
    at[BACKENDS] = now_ms();
    return 0;
}

/* An empty domain. at[i] becomes the time at which step i ended. */
static int begin_domain(struct guest *guest, const struct options *options, double *at, uint32_t *store_port, uint32_t *console_port)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = 1,
        .max_evtchn_port = 1023,
        .max_grant_frames = -1,
        .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(grant_version),
    };
    memcpy(config.handle, guest->uuid, sizeof config.handle);
    guest->id = 0;
    TRY(xc_domain_create(xc, &guest->id, &config));
    TRY(xc_domain_max_vcpus(xc, guest->id, 1));
    at[DOMAIN] = now_ms();

    unsigned long limit_kib = options->memory_mib * 1024ul + MAX_MEMORY_SLACK_KIB;
    TRY(xc_domain_setmaxmem(xc, guest->id, limit_kib));
    TRY(xc_domain_set_memmap_limit(xc, guest->id, limit_kib));
    TRY(xc_domain_set_tsc_info(xc, guest->id, 0, 0, 0, 0));
    TRY(xc_cpuid_apply_policy(xc, guest->id, false, NULL, 0, true, false, false, NULL, NULL));
    at[LIMITS] = now_ms();

    int store_end = xc_evtchn_alloc_unbound(xc, guest->id, 0);
    TRY(store_end);
    int console_end = xc_evtchn_alloc_unbound(xc, guest->id, 0);
    TRY(console_end);
    *store_port = (uint32_t)store_end;
    *console_port = (uint32_t)console_end;
    at[PORTS] = now_ms();

    TRY(devices_attach(store, &options->devices, guest->id, guest->uuid));
    guest->has_root = devices_any(&options->devices);
    at[DEVICES] = now_ms();
    return 0;
}

static int create(struct guest *guest, const struct options *options, double *at)
{
    uint32_t store_port, console_port;
    TRY(begin_domain(guest, options, at, &store_port, &console_port));
    struct xc_dom_image *dom = xc_dom_allocate(xc, NULL, NULL);
    TRY(dom ? 0 : -1);
    int result = build(dom, guest, options, store_port, console_port, at);
    if (!result && !options->paused)
        result = xc_domain_unpause(xc, guest->id);
    at[START] = now_ms();
    xc_dom_release(dom);
    return result;
}

static void destroy(const struct guest *guest, const struct options *options)
{
    xc_domain_destroy(xc, guest->id);
    if (devices_detach(store, &options->devices, guest->id))
        die("devices_detach");
    withdraw(guest);
}

static void print_line(int sample, double begin, double end, const double *at, double destroyed)
{
    printf("%d,%.3f", sample, end - begin);
    for (int i = 0; i < STEPS; i++)
        printf(",%.3f", at[i] - (i ? at[i - 1] : begin));
    if (destroyed > 0)
        printf(",%.3f", destroyed);
    printf("\n");
}

static int run(const struct options *options)
{
    for (int i = -options->warm_up; i < options->count; i++) {
        struct guest guest = { 0 };
        double at[STEPS];
        double begin = now_ms();
        new_identity(&guest, i);
        int result = create(&guest, options, at);
        double end = now_ms(), destroyed = 0;
        usleep(options->pause_ms * 1000);
        if (result || !options->keep || i < 0) {
            double before = now_ms();
            if (guest.id)
                destroy(&guest, options);
            destroyed = now_ms() - before;
        }
        if (result)
            return 1;
        if (i >= 0)
            print_line(i, begin, end, at, destroyed);
        usleep(options->pause_ms * 1000);
    }
    return 0;
}

/* --- saved guests --------------------------------------------------------------------------------------------------- */

enum { TOTAL, SUSPEND, COPY, LAST, SAVE_STEPS };

static int write_image(const struct guest *guest, const struct options *options, double *suspended)
{
    int file = open(options->image_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    TRY(file);
    TRY(saved_write(xc, store, guest->id, file, now_ms, suspended));
    return close(file);
}

/* Its last step lets the guest go on, or does away with it. */
static int save(const struct guest *guest, const struct options *options, bool is_checkpoint, double *ms)
{
    double begin = now_ms(), suspended;
    TRY(write_image(guest, options, &suspended));
    double written = now_ms();
    if (is_checkpoint)
        TRY(saved_resume(xc, store, guest->id));
    else
        destroy(guest, options);
    double end = now_ms();
    ms[TOTAL] = end - begin;
    ms[SUSPEND] = suspended - begin;
    ms[COPY] = written - suspended;
    ms[LAST] = end - written;
    return 0;
}

static int restore(struct guest *guest, const struct options *options, double *at)
{
    uint32_t store_port, console_port;
    unsigned long store_frame, console_frame;
    int file = open(options->image_path, O_RDONLY | O_CLOEXEC);
    TRY(file);
    TRY(begin_domain(guest, options, at, &store_port, &console_port));
    TRY(saved_read(xc, guest->id, file, store_port, &store_frame, console_port, &console_frame));
    close(file);
    at[MEMORY] = now_ms();
    TRY(publish(guest, options->memory_mib * UINT64_C(1024), store_port, store_frame, console_port, console_frame));
    at[PUBLISH] = now_ms();
    TRY(devices_await(store, &options->devices, guest->id));
    at[BACKENDS] = now_ms();
    TRY(xc_domain_unpause(xc, guest->id));
    at[START] = now_ms();
    return 0;
}

/* Each guest is checkpointed, saved, restored and destroyed. What fails leaves its guest for whoever looks into it. */
static int run_saved(const struct options *options)
{
    printf("sample,checkpoint,checkpoint-suspend,checkpoint-memory,checkpoint-resume,save,save-suspend,save-memory,save-destroy,"
           "restore,restore-domain,restore-limits,restore-ports,restore-memory,restore-publish,restore-start\n");
    for (int i = -options->warm_up; i < options->count; i++) {
        struct guest guest = { 0 };
        double at[STEPS], checkpointed[SAVE_STEPS], saved[SAVE_STEPS];
        new_identity(&guest, i);
        TRY(create(&guest, options, at));
        usleep(options->pause_ms * 1000);
        TRY(save(&guest, options, true, checkpointed));
        usleep(options->pause_ms * 1000);
        TRY(save(&guest, options, false, saved));
        usleep(options->pause_ms * 1000);
        double begin = now_ms();
        TRY(restore(&guest, options, at));
        usleep(options->pause_ms * 1000);
        destroy(&guest, options);
        unlink(options->image_path);
        usleep(options->pause_ms * 1000);
        if (i < 0)
            continue;
        printf("%d", i);
        for (int step = 0; step < SAVE_STEPS; step++)
            printf(",%.3f", checkpointed[step]);
        for (int step = 0; step < SAVE_STEPS; step++)
            printf(",%.3f", saved[step]);
        printf(",%.3f,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f\n", at[START] - begin, at[DOMAIN] - begin, at[LIMITS] - at[DOMAIN],
               at[PORTS] - at[LIMITS], at[MEMORY] - at[DEVICES], at[PUBLISH] - at[MEMORY], at[START] - at[BACKENDS]);
    }
    return 0;
}

static void usage(FILE *output)
{
    fprintf(output, "usage: baseline --kernel FILE [--memory MIB] [--vif BRIDGE] [--disk FILE] [--count N] [--warm-up N] [--pause MS] "
                    "[--keep] [--paused] [--image FILE]\n");
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        { "kernel", required_argument, NULL, 'k' }, { "memory", required_argument, NULL, 'm' },
        { "count", required_argument, NULL, 'n' },  { "warm-up", required_argument, NULL, 'w' },
        { "pause", required_argument, NULL, 's' },  { "keep", no_argument, NULL, 'K' },
        { "paused", no_argument, NULL, 'p' },       { "vif", required_argument, NULL, 'v' },
        { "disk", required_argument, NULL, 'd' },   { "image", required_argument, NULL, 'i' },
        { "help", no_argument, NULL, 'h' },         { 0 },
    };
    struct options options = { .memory_mib = 4, .count = 1 };
    int option;
    while ((option = getopt_long(argc, argv, "k:m:n:w:s:Kpv:d:i:h", known, NULL)) > 0) {
        switch (option) {
        case 'k': options.kernel_path = optarg; break;
        case 'm': options.memory_mib = (unsigned int)strtoul(optarg, NULL, 10); break;
        case 'n': options.count = (int)strtol(optarg, NULL, 10); break;
        case 'w': options.warm_up = (int)strtol(optarg, NULL, 10); break;
        case 's': options.pause_ms = (unsigned int)strtoul(optarg, NULL, 10); break;
        case 'K': options.keep = true; break;
        case 'p': options.paused = true; break;
        case 'v': options.devices.bridge = optarg; break;
        case 'd': options.devices.disk = optarg; break;
        case 'i': options.image_path = optarg; break;
        case 'h': usage(stdout); return 0;
        default: usage(stderr); return 2;
        }
    }
    if (!options.kernel_path || !options.memory_mib || optind < argc) {
        usage(stderr);
        return 2;
    }

    /* Errors only: what is not written need not be formatted. The engine's logger does the same. */
    xentoollog_logger *logger = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    xc = xc_interface_open(logger, logger, 0);
    if (!xc)
        die("xc_interface_open");
    devices_open(&options.devices);
    store = xs_open(XS_OPEN_SOCKETONLY);
    if (!store)
        die("xs_open");
    load_kernel(options.kernel_path);
    xc_physinfo_t physical = { 0 };
    if (xc_physinfo(xc, &physical))
        die("xc_physinfo");
    grant_version = physical.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2 ? 2 : 1;

    int result;
    if (options.image_path) {
        result = run_saved(&options) ? 1 : 0;
    } else {
        printf("sample,total");
        for (int i = 0; i < STEPS; i++)
            printf(",%s", step_names[i]);
        printf(options.keep ? "\n" : ",destroy\n");
        result = run(&options);
    }
    xs_close(store);
    xc_interface_close(xc);
    return result;
}
