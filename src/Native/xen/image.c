/* SPDX-License-Identifier: BSD-3-Clause
 * A domain's image: memory first, the kernel later, so that a domain can wait for its kernel (split instantiation). */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* All that comes before the memory. */
static int begin_image(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape, lvm_image **result)
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
    if (error) {
        lvm_image_free(image);
        return error;
    }
    *result = image;
    return 0;
}

/* The image, if it got its memory. */
static int finish_memory(int error, lvm_image *image, lvm_image **result)
{
    if (error)
        lvm_image_free(image);
    else
        *result = image;
    return error;
}

int lvm_image_new(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape, lvm_image **result)
{
    lvm_image *image;
    int error = begin_image(handle, domid, shape, &image);
    return error ? error : finish_memory(LVM_CALL(xc_dom_boot_mem_init(image->dom)), image, result);
}

int lvm_image_frames(lvm_image *image, struct lvm_frame_run *runs, uint32_t max)
{
    struct xc_dom_image *dom = image->dom;
    uint32_t count = 0;
    if (image->shape.type == LVM_PVH)
        return 0;
    struct lvm_frame_run run = { 0 };
    for (xen_pfn_t page = 0; page < dom->p2m_size; page++) {
        uint64_t frame = dom->pv_p2m[page];
        if (run.count && frame == run.first + run.count) {
            run.count++;
            continue;
        }
        if (run.count && count++ < max)
            runs[count - 1] = run;
        run = (struct lvm_frame_run){ .first = frame, .count = 1 };
    }
    if (run.count && count++ < max)
        runs[count - 1] = run;
    return (int)count;
}

/* The hypervisor keeps no list of a PV guest's frames: whoever allocated them has told. */
static int adopt_frames(lvm_image *image, uint64_t held, const struct lvm_frame_run *runs, uint32_t count)
{
    struct xc_dom_image *dom = image->dom;
    if (held < dom->total_pages)
        return -ENOMEM;
    xen_pfn_t *frames = xc_dom_malloc(dom, held * sizeof *frames); /* freed with the image */
    if (!frames)
        return -ENOMEM;
    uint64_t filled = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (runs[i].count > held - filled)
            return -EINVAL;
        for (uint64_t j = 0; j < runs[i].count; j++)
            frames[filled++] = runs[i].first + j;
    }
    if (filled != held)
        return -EINVAL;
    dom->pv_p2m = frames;
    dom->p2m_size = dom->total_pages;
    uint64_t surplus = held - dom->total_pages;
    return surplus ? LVM_CALL(xc_domain_decrease_reservation_exact(image->handle->xc, image->domid, surplus, 0, frames + dom->total_pages)) : 0;
}

int lvm_image_adopt(lvm_xen *handle, uint32_t domid, const struct lvm_shape *shape, uint32_t held_mib,
                    const struct lvm_frame_run *runs, uint32_t count, lvm_image **result)
{
    lvm_image *image;
    int error = begin_image(handle, domid, shape, &image);
    if (error)
        return error;
    error = shape->type == LVM_PVH ? lvm_pvh_adopt(image, held_mib) : adopt_frames(image, (uint64_t)held_mib << 8, runs, count);
    return finish_memory(error, image, result);
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
