/* SPDX-License-Identifier: BSD-3-Clause
 * A domain's memory and vCPUs as a stream, and what must fit before they can go on somewhere else. */
#include "internal.h"

#include <stdlib.h>

static int suspend_guest(void *data)
{
    const struct lvm_save_calls *calls = data;
    return calls->suspend(calls->data) == 0; /* libxc's callbacks say 1 for success */
}

static int next_round(struct precopy_stats stats, void *data)
{
    const struct lvm_save_calls *calls = data;
    switch (calls->next_round(calls->data, stats.iteration, stats.total_written, stats.dirty_count)) {
    case LVM_ROUND_CONTINUE: return XGS_POLICY_CONTINUE_PRECOPY;
    case LVM_ROUND_STOP_AND_COPY: return XGS_POLICY_STOP_AND_COPY;
    default: return XGS_POLICY_ABORT;
    }
}

/* libxc demands one of every guest that is not PV; there is no device model here whose writes could be missed. */
static int no_device_model(uint32_t domid, unsigned enable, void *data)
{
    (void)domid, (void)enable, (void)data;
    return 0;
}

int lvm_domain_save(lvm_xen *handle, uint32_t domid, int fd, uint32_t live, const struct lvm_save_calls *calls)
{
    struct save_callbacks callbacks = {
        .suspend = suspend_guest,
        .precopy_policy = next_round,
        .switch_qemu_logdirty = no_device_model,
        .data = (void *)(uintptr_t)calls,
    };
    lvm_share_m2p();
    return LVM_CALL(xc_domain_save(handle->xc, fd, domid, live ? XCFLAGS_LIVE : 0, &callbacks, XC_STREAM_PLAIN, -1));
}

struct restoring {
    lvm_xen *handle;
    uint32_t domid;
};

/* Streams of Xen before 4.14 say nothing of the CPU that their guests have seen. */
static int static_data_done(unsigned int missing, void *data)
{
    const struct restoring *restoring = data;
    if (!(missing & (XGR_SDD_MISSING_CPUID | XGR_SDD_MISSING_MSR)))
        return 0;
    return xc_cpuid_apply_policy(restoring->handle->xc, restoring->domid, true, NULL, 0, true, false, false, NULL, NULL);
}

int lvm_domain_restore(lvm_xen *handle, uint32_t domid, int fd, const struct lvm_shape *shape, uint64_t *store_frame,
                       uint64_t *console_frame)
{
    struct restoring restoring = { .handle = handle, .domid = domid };
    struct restore_callbacks callbacks = { .static_data_done = static_data_done, .data = &restoring };
    unsigned long store = 0, console = 0;
    lvm_share_m2p();
    int error = LVM_CALL(xc_domain_restore(handle->xc, fd, domid, shape->store_port, &store, 0, shape->console_port,
                                           &console, 0, XC_STREAM_PLAIN, &callbacks, -1));
    *store_frame = store;
    *console_frame = console;
    return error;
}

int lvm_domain_resume(lvm_xen *handle, uint32_t domid)
{
    return LVM_CALL(xc_domain_resume(handle->xc, domid, 1));
}

int lvm_domain_can_log_dirty(lvm_xen *handle, uint32_t domid)
{
    int error = LVM_CALL(xc_shadow_control(handle->xc, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, NULL, 0));
    if (!error)
        xc_shadow_control(handle->xc, domid, XEN_DOMCTL_SHADOW_OP_OFF, NULL, 0);
    return error;
}

static int leaves_of(lvm_xen *handle, const xc_cpu_policy_t *policy, struct lvm_cpuid_leaf *leaves, uint32_t max)
{
    uint32_t leaf_count, msr_count;
    int error = LVM_CALL(xc_cpu_policy_get_size(handle->xc, &leaf_count, &msr_count));
    if (error)
        return error;
    xen_cpuid_leaf_t *found = calloc(leaf_count, sizeof *found);
    xen_msr_entry_t *msrs = calloc(msr_count, sizeof *msrs);
    if (!found || !msrs)
        error = -ENOMEM;
    if (!error)
        error = LVM_CALL(xc_cpu_policy_serialise(handle->xc, policy, found, &leaf_count, msrs, &msr_count));
    if (!error && leaf_count > max)
        error = -ENOBUFS;
    for (uint32_t i = 0; !error && i < leaf_count; i++)
        leaves[i] = (struct lvm_cpuid_leaf){ .leaf = found[i].leaf, .subleaf = found[i].subleaf, .a = found[i].a,
                                             .b = found[i].b, .c = found[i].c, .d = found[i].d };
    free(found);
    free(msrs);
    return error ? error : (int)leaf_count;
}

int lvm_cpu_of_domain(lvm_xen *handle, uint32_t domid, struct lvm_cpuid_leaf *leaves, uint32_t max)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    if (!policy)
        return -ENOMEM;
    int result = LVM_CALL(xc_cpu_policy_get_domain(handle->xc, domid, policy));
    if (!result)
        result = leaves_of(handle, policy, leaves, max);
    xc_cpu_policy_destroy(policy);
    return result;
}

int lvm_cpu_of_host(lvm_xen *handle, uint32_t type, struct lvm_cpuid_leaf *leaves, uint32_t max)
{
    xc_cpu_policy_t *policy = xc_cpu_policy_init();
    if (!policy)
        return -ENOMEM;
    unsigned int index = type == LVM_PV ? XEN_SYSCTL_cpu_policy_pv_max : XEN_SYSCTL_cpu_policy_hvm_max;
    int result = LVM_CALL(xc_cpu_policy_get_system(handle->xc, index, policy));
    if (!result)
        result = leaves_of(handle, policy, leaves, max);
    xc_cpu_policy_destroy(policy);
    return result;
}
