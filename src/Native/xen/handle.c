/* SPDX-License-Identifier: BSD-3-Clause
 * Opening the hypervisor, its log, and what it says of itself. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xencall.h>

/* Keeps warnings and errors; libxc's debug messages are many and are formatted only when somebody wants them. */
static void __attribute__((format(printf, 5, 0)))
keep_message(xentoollog_logger *logger, xentoollog_level level, int errnoval, const char *context, const char *format,
             va_list arguments)
{
    lvm_xen *handle = (lvm_xen *)logger;
    (void)context;
    if (level < XTL_WARN)
        return;
    size_t room = sizeof handle->log - handle->log_length;
    if (room < 32)
        return; /* the first messages tell the cause, later ones its consequences */
    char *end = handle->log + handle->log_length;
    int saved_errno = errno;
    int written = 0;
    if (handle->log_length > 0)
        written += snprintf(end, room, "; ");
    written += vsnprintf(end + written, room - (size_t)written, format, arguments);
    if (errnoval > 0 && (size_t)written < room)
        written += snprintf(end + written, room - (size_t)written, " (%s)", strerror(errnoval));
    errno = saved_errno;
    handle->log_length += (size_t)written < room ? (size_t)written : room - 1;
    while (handle->log_length > 0 && strchr(" \n.", handle->log[handle->log_length - 1]))
        handle->log[--handle->log_length] = '\0';
    for (char *c = end; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
}

int lvm_abi_version(void)
{
    return LVM_ABI_VERSION;
}

int lvm_built_for_xen(void)
{
    return LVM_XEN_VERSION;
}

int lvm_xen_open(lvm_xen **handle)
{
    lvm_xen *opened = calloc(1, sizeof *opened);
    if (!opened)
        return -ENOMEM;
    opened->logger.vmessage = keep_message;
    errno = 0;
    opened->xc = xc_interface_open(&opened->logger, &opened->logger, 0);
    if (!opened->xc) {
        int error = errno ? -errno : -ENODEV;
        free(opened);
        return error;
    }
    *handle = opened;
    return 0;
}

void lvm_xen_close(lvm_xen *handle)
{
    if (!handle)
        return;
    xencall_close(handle->calls);
    xc_interface_close(handle->xc);
    free(handle);
}

const char *lvm_xen_log(lvm_xen *handle)
{
    return handle->log;
}

void lvm_xen_clear_log(lvm_xen *handle)
{
    handle->log_length = 0;
    handle->log[0] = '\0';
}

/* What stays as it is while the machine is up, and is asked for once. */
static int ask_version(lvm_xen *handle)
{
    struct lvm_host *host = &handle->host;
    int version = xc_version(handle->xc, XENVER_version, NULL);
    if (version < 0)
        return lvm_result(version);

    xen_extraversion_t extra;
    int error = LVM_CALL(xc_version(handle->xc, XENVER_extraversion, &extra));
    if (error)
        return error;
    memcpy(host->extra_version, extra, sizeof extra);
    host->extra_version[sizeof host->extra_version - 1] = '\0';

    xen_capabilities_info_t capabilities;
    error = LVM_CALL(xc_version(handle->xc, XENVER_capabilities, &capabilities));
    if (error)
        return error;
    memcpy(host->capabilities, capabilities, sizeof capabilities);
    host->capabilities[sizeof host->capabilities - 1] = '\0';
    host->version_minor = (uint32_t)version & 0xffff;
    host->version_major = (uint32_t)version >> 16;
    return 0;
}

int lvm_xen_host(lvm_xen *handle, struct lvm_host *host)
{
    int error = handle->host.version_major ? 0 : ask_version(handle);
    if (error)
        return error;

    xc_physinfo_t physical = { 0 };
    error = LVM_CALL(xc_physinfo(handle->xc, &physical));
    if (error)
        return error;
    *host = handle->host;
    host->physical_cpus = physical.nr_cpus;
    host->has_hap = (physical.capabilities & XEN_SYSCTL_PHYSCAP_hvm) && (physical.capabilities & XEN_SYSCTL_PHYSCAP_hap);
    host->total_memory_kib = physical.total_pages * (XC_PAGE_SIZE / 1024);
    host->free_memory_kib = physical.free_pages * (XC_PAGE_SIZE / 1024);
    return 0;
}
