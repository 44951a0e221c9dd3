/* SPDX-License-Identifier: BSD-3-Clause
 * Domains as a whole: listing, creating, limiting, running, ending. */
#define XC_WANT_COMPAT_MAP_FOREIGN_API /* xc_map_foreign_range() */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Ports of a guest: what xl gives (max_event_channels=1023), the most that the 2-level ABI of small guests can name. */
#define MAX_EVENT_CHANNEL_PORT 1023

static void fill_entry(struct lvm_domain *entry, const xc_domaininfo_t *info)
{
    memset(entry, 0, sizeof *entry);
    entry->id = info->domain;
    entry->flags = info->flags;
    memcpy(entry->uuid, info->handle, sizeof entry->uuid);
    entry->memory_kib = info->tot_pages * (XC_PAGE_SIZE / 1024);
    entry->max_memory_kib = info->max_pages >= UINT64_MAX / XC_PAGE_SIZE || (uint32_t)info->max_pages == UINT32_MAX
                                ? UINT64_MAX
                                : info->max_pages * (XC_PAGE_SIZE / 1024);
    entry->cpu_time_ns = info->cpu_time;
    entry->online_vcpus = info->nr_online_vcpus;
    entry->max_vcpus = info->max_vcpu_id == XEN_INVALID_MAX_VCPU_ID ? 0 : info->max_vcpu_id + 1;
    /* PVH guests have a local APIC and nothing else that Xen emulates for them. */
    entry->has_emulated_devices =
        (info->flags & XEN_DOMINF_hvm_guest) && (info->arch_config.emulation_flags & ~XEN_X86_EMU_LAPIC);
}

int lvm_domain_list(lvm_xen *handle, uint32_t first, uint32_t max, struct lvm_domain *entries)
{
    xc_domaininfo_t one;
    xc_domaininfo_t *infos = max > 1 ? malloc(max * sizeof *infos) : &one;
    if (!infos)
        return -ENOMEM;
    errno = 0;
    int count = xc_domain_getinfolist(handle->xc, first, max, infos);
    if (count < 0)
        count = lvm_result(count);
    for (int i = 0; i < count; i++)
        fill_entry(&entries[i], &infos[i]);
    if (infos != &one)
        free(infos);
    return count;
}

/* xl's choice as well. Hosts that were told to (gnttab=max-ver:1) refuse domains that ask for more. */
static uint32_t newest_grant_version(lvm_xen *handle)
{
    xc_physinfo_t physical = { 0 };
    if (!handle->grant_version && xc_physinfo(handle->xc, &physical) == 0)
        handle->grant_version = physical.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2 ? 2 : 1;
    return handle->grant_version ? handle->grant_version : 1;
}

int lvm_domain_create(lvm_xen *handle, const struct lvm_shape *shape, uint32_t *domid)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = shape->vcpus,
        .max_evtchn_port = MAX_EVENT_CHANNEL_PORT,
        .max_grant_frames = -1, /* the hypervisor's own limits, which the administrator sets */
        .max_maptrack_frames = -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(newest_grant_version(handle)),
    };
    memcpy(config.handle, shape->uuid, sizeof config.handle);
    if (shape->type == LVM_PVH) {
        config.flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap;
        config.arch.emulation_flags = XEN_X86_EMU_LAPIC;
    }
    *domid = 0; /* any free one */
    int error = LVM_CALL(xc_domain_create(handle->xc, domid, &config));
    if (error)
        return error;
    error = LVM_CALL(xc_domain_max_vcpus(handle->xc, *domid, shape->vcpus));
    if (error)
        xc_domain_destroy(handle->xc, *domid);
    return error;
}

int lvm_domain_set_affinity(lvm_xen *handle, uint32_t domid, uint32_t vcpu, const uint32_t *cpus, uint32_t count)
{
    int size = xc_get_cpumap_size(handle->xc);
    if (size <= 0)
        return lvm_result(size ? size : -1);
    xc_cpumap_t map = xc_cpumap_alloc(handle->xc);
    if (!map)
        return -ENOMEM;
    int error = 0;
    for (uint32_t i = 0; i < count && !error; i++) {
        if (cpus[i] / 8 >= (uint32_t)size)
            error = -EINVAL;
        else
            map[cpus[i] / 8] |= (uint8_t)(1u << cpus[i] % 8);
    }
    if (!error)
        error = LVM_CALL(xc_vcpu_setaffinity(handle->xc, domid, (int)vcpu, map, NULL, XEN_VCPUAFFINITY_HARD));
    free(map);
    return error;
}

int lvm_domain_set_max_memory(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape, uint64_t max_memory_kib)
{
    int error = LVM_CALL(xc_domain_setmaxmem(handle->xc, domid, max_memory_kib));
    if (!error && shape->type == LVM_PV) /* the size that a PV guest is told of by its memory map */
        error = LVM_CALL(xc_domain_set_memmap_limit(handle->xc, domid, (unsigned long)max_memory_kib));
    if (!error && shape->type == LVM_PVH) {
        /* Nested page tables: 1 MiB a vCPU and 8 KiB a MiB, what xl reserves (libxl_get_required_paging_memory). */
        uint64_t pool_kib = 1024ull * shape->vcpus + 8ull * (max_memory_kib / 1024);
        error = LVM_CALL(xc_set_paging_mempool_size(handle->xc, domid, (pool_kib + 1023) / 1024 * 1024 * 1024));
    }
    return error;
}

int lvm_domain_set_uuid(lvm_xen *handle, uint32_t domid, const uint8_t uuid[16])
{
    xen_domain_handle_t value;
    memcpy(value, uuid, sizeof value);
    return LVM_CALL(xc_domain_sethandle(handle->xc, domid, value));
}

int lvm_domain_set_limits(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape, uint64_t max_memory_kib)
{
    int error = lvm_domain_set_max_memory(handle, domid, shape, max_memory_kib);
    if (!error) /* TSC mode 0: native where it is safe, emulated where it is not */
        error = LVM_CALL(xc_domain_set_tsc_info(handle->xc, domid, 0, 0, 0, 0));
    if (!error)
        error = LVM_CALL(xc_cpuid_apply_policy(handle->xc, domid, false, NULL, 0, true, false, false, NULL, NULL));
    return error;
}

int lvm_domain_alloc_port(lvm_xen *handle, uint32_t domid, uint32_t remote)
{
    errno = 0;
    int port = xc_evtchn_alloc_unbound(handle->xc, domid, remote);
    return port < 0 ? lvm_result(port) : port;
}

int lvm_domain_pause(lvm_xen *handle, uint32_t domid)
{
    return LVM_CALL(xc_domain_pause(handle->xc, domid));
}

int lvm_domain_unpause(lvm_xen *handle, uint32_t domid)
{
    return LVM_CALL(xc_domain_unpause(handle->xc, domid));
}

int lvm_domain_shutdown(lvm_xen *handle, uint32_t domid, uint32_t reason)
{
    return LVM_CALL(xc_domain_shutdown(handle->xc, domid, (int)reason));
}

int lvm_domain_destroy(lvm_xen *handle, uint32_t domid)
{
    return LVM_CALL(xc_domain_destroy(handle->xc, domid));
}

int lvm_domain_write_page(lvm_xen *handle, uint32_t domid, uint64_t frame, const void *bytes)
{
    errno = 0;
    void *page = xc_map_foreign_range(handle->xc, domid, XC_PAGE_SIZE, PROT_READ | PROT_WRITE, frame);
    if (!page)
        return errno ? -errno : LVM_NO_ERRNO;
    memcpy(page, bytes, XC_PAGE_SIZE);
    munmap(page, XC_PAGE_SIZE);
    return 0;
}
