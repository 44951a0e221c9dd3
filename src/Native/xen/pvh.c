/* SPDX-License-Identifier: BSD-3-Clause
 * What a PVH guest needs beyond a PV one: a memory layout with a hole for the local APIC and the special pages, and the
 * ACPI tables by which it finds its vCPUs. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C(4096)
#define GIB (UINT64_C(1) << 30)

/* The lowest address of the hole, where libacpi and hvmloader put the tables as well (ACPI_INFO_PHYSICAL_ADDRESS). */
#define ACPI_BASE UINT64_C(0xfc000000)
#define LAPIC_BASE UINT32_C(0xfee00000)
#define SPECIAL_PAGES_BASE (((uint64_t)X86_HVM_END_SPECIAL_REGION - X86_HVM_NR_SPECIAL_PAGES) * PAGE)


/* Where memory ends below the hole, and above 4 GiB: 0 where there is none. */
static uint64_t low_end(uint64_t memory)
{
    return memory < ACPI_BASE ? memory : ACPI_BASE;
}

static uint64_t high_end(uint64_t memory)
{
    return memory > ACPI_BASE ? 4 * GIB + (memory - ACPI_BASE) : 0;
}

int lvm_pvh_prepare(lvm_image *image)
{
    struct xc_dom_image *dom = image->dom;
    uint64_t memory = (uint64_t)image->shape.memory_mib << 20;
    dom->device_model = false;
    dom->target_pages = memory / PAGE;
    dom->mmio_start = ACPI_BASE;
    dom->mmio_size = 4 * GIB - ACPI_BASE;
    dom->lowmem_end = low_end(memory);
    dom->highmem_end = high_end(memory);
    return 0;
}

static int give_back(lvm_image *image, uint64_t begin, uint64_t end)
{
    xen_pfn_t pages[1024];
    int error = 0;
    for (uint64_t page = begin / PAGE; page < end / PAGE && !error;) {
        unsigned long count = 0;
        while (count < sizeof pages / sizeof *pages && page < end / PAGE)
            pages[count++] = page++;
        error = LVM_CALL(xc_domain_decrease_reservation_exact(image->handle->xc, image->domid, count, 0, pages));
    }
    return error;
}

int lvm_pvh_adopt(lvm_image *image, uint32_t held_mib)
{
    struct xc_dom_image *dom = image->dom;
    uint64_t held = (uint64_t)held_mib << 20;
    if (held_mib < image->shape.memory_mib)
        return -ENOMEM;
    dom->p2m_size = (dom->highmem_end ? dom->highmem_end : dom->lowmem_end) / PAGE;
    int error = give_back(image, dom->lowmem_end, low_end(held));
    if (!error && high_end(held))
        error = give_back(image, dom->highmem_end ? dom->highmem_end : 4 * GIB, high_end(held));
    return error;
}

/* --- ACPI 5.0 tables (ACPI specification 5.0, chapter 5.2) ------------------------------------------------------- */
#pragma pack(push, 1)
struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
};

struct acpi_rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
};

struct acpi_xsdt {
    struct acpi_header header;
    uint64_t tables[2];
};

struct acpi_fadt {
    struct acpi_header header;
    uint32_t firmware_control, dsdt;
    uint8_t skipped_to_flags[68];
    uint32_t flags;
    uint8_t skipped_to_x_dsdt[24];
    uint64_t x_dsdt;
    uint8_t rest[120];
};

struct acpi_madt {
    struct acpi_header header;
    uint32_t lapic_address, flags;
};

struct acpi_lapic {
    uint8_t type, length, processor_id, apic_id;
    uint32_t flags;
};
#pragma pack(pop)

_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "FADT.Flags");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "FADT.X_DSDT");
_Static_assert(sizeof(struct acpi_fadt) == 268, "FADT of revision 5");

#define FADT_HARDWARE_REDUCED (1u << 20) /* no PM timer, no legacy hardware */
#define LAPIC_ENABLED 1u
#define MAX_VCPUS 128u /* local APIC ids are twice the vCPU's number and have eight bits */

struct acpi_tables {
    struct acpi_rsdp rsdp;
    uint8_t align0[28];
    struct acpi_xsdt xsdt;
    uint8_t align1[12];
    struct acpi_fadt fadt;
    uint8_t align2[4];
    struct acpi_header dsdt; /* without code: nothing is to be enumerated */
    uint8_t align3[4];
    struct acpi_madt madt;
    struct acpi_lapic lapics[MAX_VCPUS];
};

static uint8_t checksum(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;
    while (size--)
        sum = (uint8_t)(sum + *bytes++);
    return (uint8_t)-sum;
}

static void finish_table(struct acpi_header *header, const char *signature, uint8_t revision, size_t length)
{
    memcpy(header->signature, signature, 4);
    header->length = (uint32_t)length;
    header->revision = revision;
    memcpy(header->oem_id, "LightV", 6);
    memcpy(header->oem_table_id, "LightVM ", 8);
    header->oem_revision = 1;
    memcpy(header->creator_id, "LVM ", 4);
    header->creator_revision = 1;
    header->checksum = 0;
    header->checksum = checksum(header, length);
}

static void fill_tables(struct acpi_tables *tables, uint64_t base, uint32_t vcpus)
{
#define ADDRESS(member) (base + offsetof(struct acpi_tables, member))
    for (uint32_t i = 0; i < vcpus; i++)
        tables->lapics[i] = (struct acpi_lapic){ .type = 0, .length = sizeof tables->lapics[i], .processor_id = (uint8_t)i,
                                                 .apic_id = (uint8_t)(2 * i), .flags = LAPIC_ENABLED };
    tables->madt.lapic_address = LAPIC_BASE;
    finish_table(&tables->madt.header, "APIC", 3, sizeof tables->madt + vcpus * sizeof tables->lapics[0]);
    finish_table(&tables->dsdt, "DSDT", 2, sizeof tables->dsdt);
    tables->fadt.dsdt = (uint32_t)ADDRESS(dsdt);
    tables->fadt.x_dsdt = ADDRESS(dsdt);
    tables->fadt.flags = FADT_HARDWARE_REDUCED;
    finish_table(&tables->fadt.header, "FACP", 5, sizeof tables->fadt);
    tables->xsdt.tables[0] = ADDRESS(fadt);
    tables->xsdt.tables[1] = ADDRESS(madt);
    finish_table(&tables->xsdt.header, "XSDT", 1, sizeof tables->xsdt);
    tables->rsdp = (struct acpi_rsdp){ .signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' }, .oem_id = { 'L', 'i', 'g', 'h', 't', 'V' },
                                       .revision = 2, .length = sizeof tables->rsdp, .xsdt = ADDRESS(xsdt) };
    tables->rsdp.checksum = checksum(&tables->rsdp, 20); /* the part that ACPI 1.0 knew */
    tables->rsdp.extended_checksum = checksum(&tables->rsdp, sizeof tables->rsdp);
#undef ADDRESS
}

static int set_memory_map(lvm_image *image, size_t acpi_size)
{
    struct xc_dom_image *dom = image->dom;
    struct e820entry *map = calloc(4, sizeof *map);
    if (!map)
        return -ENOMEM;
    unsigned int count = 0;
    map[count++] = (struct e820entry){ .addr = 0, .size = dom->lowmem_end, .type = E820_RAM };
    map[count++] = (struct e820entry){ .addr = ACPI_BASE, .size = acpi_size, .type = E820_ACPI };
    map[count++] = (struct e820entry){ .addr = SPECIAL_PAGES_BASE, .size = X86_HVM_NR_SPECIAL_PAGES * PAGE, .type = E820_RESERVED };
    if (dom->highmem_end)
        map[count++] = (struct e820entry){ .addr = 4 * GIB, .size = dom->highmem_end - 4 * GIB, .type = E820_RAM };
    dom->e820 = map; /* freed with the image; the start info's memory map is made of it */
    dom->e820_entries = count;
    return LVM_CALL(xc_domain_set_memory_map(image->handle->xc, image->domid, map, count));
}

int lvm_pvh_add_acpi(lvm_image *image)
{
    if (image->shape.vcpus > MAX_VCPUS)
        return -EINVAL;
    size_t size = (sizeof(struct acpi_tables) + PAGE - 1) / PAGE * PAGE;
    struct acpi_tables *tables = calloc(1, size);
    if (!tables)
        return -ENOMEM;
    fill_tables(tables, ACPI_BASE, image->shape.vcpus);
    image->dom->acpi_modules[0].data = (uint8_t *)tables; /* freed with the image; libxenguest hands its address to the guest */
    image->dom->acpi_modules[0].length = (uint32_t)size;
    image->dom->acpi_modules[0].guest_addr_out = ACPI_BASE;
    return set_memory_map(image, size);
}
