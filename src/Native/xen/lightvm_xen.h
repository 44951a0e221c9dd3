/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The part of libxenctrl and libxenguest that LightVM needs, behind a C API of our own that stays the same from one
 * Xen to the next. Functions that return int give 0, a negative errno or LVM_NO_ERRNO; what libxc logged in the meantime is in
 * lvm_xen_log(). A handle, and the images made from it, are used by one thread at a time.
 *
 * The managed side of this file is src/LightVM.Engine/Xen/XenControl.cs; lvm_abi_version() tells whether both fit.
 */
#ifndef LIGHTVM_XEN_H
#define LIGHTVM_XEN_H

#include <stddef.h>
#include <stdint.h>

#define LVM_ABI_VERSION 6
#define LVM_NO_ERRNO (-4096) /* failed, and libxc did not say by what errno: see the log */
#define LVM_API __attribute__((visibility("default")))

typedef struct lvm_xen lvm_xen;
typedef struct lvm_image lvm_image;

enum lvm_guest_type { LVM_PV = 0, LVM_PVH = 1, LVM_HVM = 2 };

struct lvm_host {
    uint32_t version_major, version_minor;
    uint32_t physical_cpus;
    uint32_t has_hap;
    uint64_t total_memory_kib;
    uint64_t free_memory_kib;
    char extra_version[16];
    char capabilities[1024];
};

/* flags are XEN_DOMINF_* of xen/include/public/domctl.h, shutdown reason included. */
struct lvm_domain {
    uint32_t id;
    uint32_t flags;
    uint8_t uuid[16]; /* in the order in which it is written: big-endian */
    uint64_t memory_kib;
    uint64_t max_memory_kib; /* UINT64_MAX: no limit */
    uint64_t cpu_time_ns;
    uint32_t online_vcpus;
    uint32_t max_vcpus;
    uint32_t has_emulated_devices; /* an HVM guest that is not PVH */
    uint32_t reserved;
};

struct lvm_shape {
    uint8_t uuid[16];
    uint32_t type;         /* enum lvm_guest_type; not LVM_HVM */
    uint32_t address_size; /* 32 or 64, of PV guests */
    uint32_t vcpus;
    uint32_t memory_mib;   /* for lvm_image_new */
    uint32_t store_port;   /* for lvm_image_new */
    uint32_t console_port; /* for lvm_image_new */
};

/* --- handle.c ----------------------------------------------------------------------------------------------- */
LVM_API int lvm_abi_version(void);
LVM_API int lvm_built_for_xen(void); /* 417 for Xen 4.17 */
LVM_API int lvm_xen_open(lvm_xen **handle);
LVM_API void lvm_xen_close(lvm_xen *handle);
LVM_API const char *lvm_xen_log(lvm_xen *handle); /* warnings and errors since lvm_xen_clear_log(), "; " between */
LVM_API void lvm_xen_clear_log(lvm_xen *handle);
LVM_API int lvm_xen_host(lvm_xen *handle, struct lvm_host *host);

/* --- domain.c ----------------------------------------------------------------------------------------------- */
/* Fills up to max entries with the domains from id first on; returns how many, or a negative errno. */
LVM_API int lvm_domain_list(lvm_xen *handle, uint32_t first, uint32_t max, struct lvm_domain *entries);
LVM_API int lvm_domain_create(lvm_xen *handle, const struct lvm_shape *shape, uint32_t *domid);
LVM_API int lvm_domain_set_affinity(lvm_xen *handle, uint32_t domid, uint32_t vcpu, const uint32_t *cpus, uint32_t count);
LVM_API int lvm_domain_set_limits(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape,
                                  uint64_t max_memory_kib);
/* Its limits as of now on, without what its guest sees of CPU and time. */
LVM_API int lvm_domain_set_max_memory(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape,
                                      uint64_t max_memory_kib);
LVM_API int lvm_domain_set_uuid(lvm_xen *handle, uint32_t domid, const uint8_t uuid[16]);
LVM_API int lvm_domain_alloc_port(lvm_xen *handle, uint32_t domid, uint32_t remote); /* the guest's port */
LVM_API int lvm_domain_pause(lvm_xen *handle, uint32_t domid);
LVM_API int lvm_domain_unpause(lvm_xen *handle, uint32_t domid);
LVM_API int lvm_domain_shutdown(lvm_xen *handle, uint32_t domid, uint32_t reason);
LVM_API int lvm_domain_destroy(lvm_xen *handle, uint32_t domid);
/* Replaces a page of the domain's memory: 4096 bytes, at a machine frame of a PV guest's, or a frame of a PVH guest's own counting. */
LVM_API int lvm_domain_write_page(lvm_xen *handle, uint32_t domid, uint64_t frame, const void *bytes);

/* --- devctl.c ----------------------------------------------------------------------------------------------- */
/* Hypercall 41 of LightVM's own hypervisor, with its argument (src/LightVM.Engine/Noxs/DeviceListCall.cs), into which the answer comes. On any other hypervisor
 * the number is something else: it is the caller's to know that this is LightVM's. */
#define LVM_DEVICE_LIST_CALL_SIZE 664
LVM_API int lvm_device_list_call(lvm_xen *handle, void *call);

/* --- capacity.c --------------------------------------------------------------------------------------------- */
/* For how many event channels a domain has room now: no more than that are in use. */
LVM_API int lvm_event_channel_room(lvm_xen *handle, uint32_t domid, uint32_t *room);
/* How many of them are in use: a hypercall for each. */
LVM_API int lvm_event_channel_count(lvm_xen *handle, uint32_t domid, uint32_t room, uint32_t *count);
/* How many frames a domain's grant table may have. */
LVM_API int lvm_grant_frames(lvm_xen *handle, uint32_t domid, uint32_t *most);

/* --- image.c: a domain's image under construction, in the order in which the functions are called ---------------- */
LVM_API int lvm_image_new(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape, lvm_image **image);
/* The machine frames that a PV guest's memory is made of, in the guest's order: fills up to max runs of neighbours, and returns how many
 * there are. None of a PVH guest, whose frames are numbered by the hypervisor. */
struct lvm_frame_run {
    uint64_t first, count;
};
LVM_API int lvm_image_frames(lvm_image *image, struct lvm_frame_run *runs, uint32_t max);
/* In the place of lvm_image_new(), for memory that lvm_image_new() has allocated, in this process or another: held_mib MiB, of which those
 * that the shape does not want are given back. */
LVM_API int lvm_image_adopt(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape, uint32_t held_mib,
                            const struct lvm_frame_run *runs, uint32_t count, lvm_image **image);
/* kernel and ramdisk must stay where they are until lvm_image_free(). */
LVM_API int lvm_image_parse(lvm_image *image, const void *kernel, size_t kernel_size, const void *ramdisk,
                            size_t ramdisk_size, const char *command_line);
LVM_API int lvm_image_build(lvm_image *image);
LVM_API int lvm_image_boot(lvm_image *image, uint64_t *store_frame, uint64_t *console_frame);
LVM_API int lvm_image_seed_grants(lvm_image *image);
LVM_API void lvm_image_free(lvm_image *image); /* NULL is no error */

/* --- migration.c: a domain's memory and vCPUs as a stream (docs/specs/libxc-migration-stream of the Xen tree) -------- */
enum lvm_round { LVM_ROUND_ABORT = -1, LVM_ROUND_CONTINUE = 0, LVM_ROUND_STOP_AND_COPY = 1 };

struct lvm_save_calls {
    int (*suspend)(void *data); /* 0: the guest is suspended now; all else ends the save */
    /* Before each round of a live save, and after it, when nobody knows what was changed meanwhile (dirty -1). */
    int (*next_round)(void *data, uint32_t round, uint64_t pages_sent, int64_t pages_dirty);
    void *data;
};

/* Writes to fd until the stream's end. With live, memory is written while the guest runs, in rounds; the domain is left suspended. */
LVM_API int lvm_domain_save(lvm_xen *handle, uint32_t domid, int fd, uint32_t live, const struct lvm_save_calls *calls);
/* Reads from fd, not a byte beyond the stream's end, into a domain without memory. Its ports are in the shape. */
LVM_API int lvm_domain_restore(lvm_xen *handle, uint32_t domid, int fd, const struct lvm_shape *shape,
                               uint64_t *store_frame, uint64_t *console_frame);
/* Lets a suspended guest go on where it was: its suspending was called off. */
LVM_API int lvm_domain_resume(lvm_xen *handle, uint32_t domid);
/* Whether the hypervisor can tell which of the domain's pages are written: what a live save needs. */
LVM_API int lvm_domain_can_log_dirty(lvm_xen *handle, uint32_t domid);

/* CPUID leaves in the order of xen/include/public/arch-x86 (xen_cpuid_leaf_t: leaf, subleaf, a, b, c, d). */
struct lvm_cpuid_leaf {
    uint32_t leaf, subleaf, a, b, c, d;
};
/* What a domain sees of the CPU; returns how many of at most max leaves, or a negative errno. */
LVM_API int lvm_cpu_of_domain(lvm_xen *handle, uint32_t domid, struct lvm_cpuid_leaf *leaves, uint32_t max);
/* The most that this host can offer to a guest of a type. */
LVM_API int lvm_cpu_of_host(lvm_xen *handle, uint32_t type, struct lvm_cpuid_leaf *leaves, uint32_t max);

#endif
