// A PVH guest: a bare 64-bit machine with Xen under it, which is asked for everything by hypercall.
#include "machine.h"
#include "hypercall.h"

#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>

void pvh_main(const struct hvm_start_info *info);

static const struct hvm_start_info *start;
static char shared_info_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static void cpuid(uint32_t leaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    __asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(0));
}

// Other hypervisors' leaves may come first, so Xen's can be at any multiple of 256.
static void fill_hypercall_page(void)
{
    uint32_t a, b, c, d;
    for (uint32_t base = XEN_CPUID_FIRST_LEAF; base < XEN_CPUID_FIRST_LEAF + 0x10000; base += 0x100) {
        cpuid(base, &a, &b, &c, &d);
        if (b != XEN_CPUID_SIGNATURE_EBX || c != XEN_CPUID_SIGNATURE_ECX || d != XEN_CPUID_SIGNATURE_EDX)
            continue;
        cpuid(base + 2, &a, &b, &c, &d); // b is the register that takes the page's address
        __asm__ volatile("wrmsr" : : "c"(b), "a"((uint32_t)address_of(hypercall_page)), "d"(0) : "memory");
        return;
    }
    __builtin_trap();
}

// 0 when there is no such thing.
static uint64_t parameter(uint32_t index)
{
    struct xen_hvm_param get = {.domid = DOMID_SELF, .index = index};
    return hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, address_of(&get), 0, 0) == 0 ? get.value : 0;
}

static void *parameter_page(uint32_t index)
{
    return (void *)(parameter(index) << 12);
}

// Toolstacks take a PVH guest for one that answers control/shutdown if it has said how it wants its events. We poll for
// them, with interrupts off: the vector is never used.
static void announce_events(void)
{
    struct xen_hvm_param set = {
        .domid = DOMID_SELF,
        .index = HVM_PARAM_CALLBACK_IRQ,
        .value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | 0x20,
    };
    hypercall(__HYPERVISOR_hvm_op, HVMOP_set_param, address_of(&set), 0, 0);
}

uint64_t pvh_frame_of(const volatile void *address)
{
    return address_of(address) >> 12;
}

// Puts a page of Xen's in the place of one of ours, which we lose.
static bool place(unsigned space, void *page)
{
    struct xen_add_to_physmap add = {.domid = DOMID_SELF, .space = space, .gpfn = pvh_frame_of(page)};
    return hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, address_of(&add), 0, 0) == 0;
}

bool pvh_map_grant_table(void *page)
{
    return place(XENMAPSPACE_grant_table, page);
}

bool pvh_make_hole(const void *page)
{
    xen_pfn_t frame = pvh_frame_of(page);
    struct xen_memory_reservation give_back = {.nr_extents = 1, .domid = DOMID_SELF};
    set_xen_guest_handle(give_back.extent_start, &frame);
    return hypercall(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, address_of(&give_back), 0, 0) == 1;
}

static void ask_xen(void)
{
    fill_hypercall_page();
    place(XENMAPSPACE_shared_info, shared_info_page);
    announce_events();
    machine.shared = (struct shared_info *)shared_info_page;
    machine.console_port = (evtchn_port_t)parameter(HVM_PARAM_CONSOLE_EVTCHN);
    machine.console = machine.console_port ? parameter_page(HVM_PARAM_CONSOLE_PFN) : NULL;
    machine.store_port = (evtchn_port_t)parameter(HVM_PARAM_STORE_EVTCHN);
    void *const place = parameter_page(HVM_PARAM_STORE_PFN);
    machine.store = machine.store_port ? place : NULL;
    machine.store_place = machine.store_port ? NULL : place;
}

static bool suspend(void)
{
    struct sched_shutdown reason = {.reason = SHUTDOWN_suspend};
    const bool cancelled = hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address_of(&reason), 0, 0) != 0;
    ask_xen();
    return cancelled;
}

static uint64_t later(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

// The range of memory that we are in, after the last of what the builder has put there: it puts the start info and what
// belongs to it behind the image, and the ACPI tables elsewhere.
struct memory pvh_free_memory(void)
{
    struct memory memory = {.begin = later(address_of(image_end), address_of(start + 1))};
    memory.begin = later(memory.begin, start->cmdline_paddr + strlen(machine.command_line) + 1);
    if (start->version < 1)
        return (struct memory){0, 0};
    const struct hvm_memmap_table_entry *ranges = (const void *)start->memmap_paddr;
    memory.begin = later(memory.begin, address_of(ranges + start->memmap_entries));
    memory.begin = (memory.begin + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
    for (uint32_t i = 0; i < start->memmap_entries; i++) {
        const uint64_t end = ranges[i].addr + ranges[i].size;
        if (ranges[i].type == XEN_HVM_MEMMAP_TYPE_RAM && ranges[i].addr <= memory.begin && end > memory.begin)
            memory.end = end;
    }
    return memory.end ? memory : (struct memory){0, 0};
}

void pvh_main(const struct hvm_start_info *info)
{
    start = info;
    machine.kind = "PVH";
    machine.command_line = info->cmdline_paddr ? (const char *)info->cmdline_paddr : "";
    machine.suspend = suspend;
    ask_xen();
    guest_main();
}
