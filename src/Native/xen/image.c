/* SPDX-License-Identifier: BSD-3-Clause
 * A domain's image: memory first, the kernel later, so that a domain can wait for its kernel (split instantiation). */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

int lvm_image_new(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape, lvm_image **result)
{
    lvm_image *image = calloc(1, sizeof *image);
    if (!image)
        return -ENOMEM;
    image->handle = handle;
    image->domid = domid;
    image->shape = *shape;
    struct xc_dom_image *dom = image->dom = xc_dom_allocate(handle->xc, NULL, NULL);
    if (!dom) {
        free(image);
        return -ENOMEM;
    }
    bool pvh = shape->type == LVM_PVH;
    dom->container_type = pvh ? XC_DOM_HVM_CONTAINER : XC_DOM_PV_CONTAINER;
    /* The loader sets this from the kernel; memory is allocated before there is one. */
    dom->guest_type = pvh ? "hvm-3.0-x86_32" : shape->address_size == 32 ? "xen-3.0-x86_32p" : "xen-3.0-x86_64";
    dom->xenstore_evtchn = shape->store_port;
    dom->console_evtchn = shape->console_port;
    dom->max_vcpus = shape->vcpus;

    int error = LVM_CALL(xc_dom_boot_xen_init(dom, handle->xc, domid));
    if (!error)
        error = LVM_CALL(xc_dom_mem_init(dom, shape->memory_mib));
    if (!error && pvh)
        error = lvm_pvh_prepare(image);
    if (!error)
        error = LVM_CALL(xc_dom_boot_mem_init(dom));
    if (error) {
        lvm_image_free(image);
        return error;
    }
    *result = image;
    return 0;
}

int lvm_image_parse(lvm_image *image, const void *kernel, size_t kernel_size, const void *ramdisk, size_t ramdisk_size,
                    const char *command_line)
{
    struct xc_dom_image *dom = image->dom;
    const char *expected = dom->guest_type;
    if (command_line && *command_line) {
        dom->cmdline = xc_dom_strdup(dom, command_line);
        if (!dom->cmdline)
            return -ENOMEM;
    }
    int error = LVM_CALL(xc_dom_kernel_mem(dom, kernel, kernel_size));
    if (!error && ramdisk_size)
        error = LVM_CALL(xc_dom_module_mem(dom, ramdisk, ramdisk_size, NULL));
    if (!error)
        error = LVM_CALL(xc_dom_parse_image(dom));
    if (!error && strcmp(dom->guest_type, expected) != 0)
        error = -ENOEXEC; /* a kernel of another width than the memory was laid out for */
    if (!error && image->shape.type == LVM_PVH)
        error = lvm_pvh_add_acpi(image);
    return error;
}

int lvm_image_build(lvm_image *image)
{
    return LVM_CALL(xc_dom_build_image(image->dom));
}

int lvm_image_boot(lvm_image *image, uint64_t *store_frame, uint64_t *console_frame)
{
    struct xc_dom_image *dom = image->dom;
    int error = LVM_CALL(xc_dom_boot_image(dom));
    if (error)
        return error;
    bool pvh = image->shape.type == LVM_PVH; /* whose frame numbers are its own, not the machine's */
    *store_frame = pvh ? dom->xenstore_pfn : dom->pv_p2m[dom->xenstore_pfn];
    *console_frame = pvh ? dom->console_pfn : dom->pv_p2m[dom->console_pfn];
    return 0;
}

int lvm_image_seed_grants(lvm_image *image)
{
    return LVM_CALL(xc_dom_gnttab_init(image->dom));
}

void lvm_image_free(lvm_image *image)
{
    if (!image)
        return;
    for (int i = 0; i < MAX_ACPI_MODULES; i++)
        free(image->dom->acpi_modules[i].data);
    free(image->dom->e820);
    image->dom->e820 = NULL;
    xc_dom_release(image->dom);
    free(image);
}
