/* SPDX-License-Identifier: BSD-3-Clause
 * The one hypercall of LightVM's own hypervisor that libxc does not know. */
#include "internal.h"

#include <string.h>
#include <xencall.h>

enum { HYPERVISOR_DEVCTL = 41 };

int lvm_device_list_call(lvm_xen *handle, void *call)
{
    errno = 0;
    if (!handle->calls && !(handle->calls = xencall_open(&handle->logger, 0)))
        return lvm_result(-1);
    void *argument = xencall_alloc_buffer(handle->calls, LVM_DEVICE_LIST_CALL_SIZE);
    if (!argument)
        return lvm_result(-1);
    memcpy(argument, call, LVM_DEVICE_LIST_CALL_SIZE);
    int result = LVM_CALL(xencall1(handle->calls, HYPERVISOR_DEVCTL, (uint64_t)(uintptr_t)argument));
    memcpy(call, argument, LVM_DEVICE_LIST_CALL_SIZE);
    xencall_free_buffer(handle->calls, argument);
    return result;
}
