// A PV guest: runs on page tables that the domain builder made, and finds everything through struct start_info.
#include "guest.h"
#include "hypercall.h"

void pv_main(struct start_info *info);

static struct start_info *start;
static char shared_info_page[4096] __attribute__((aligned(4096)));

static void map_shared_info(uint64_t entry)
{
    hypercall(__HYPERVISOR_update_va_mapping, address_of(shared_info_page), entry, UVMF_INVLPG, 0);
}

// Our memory is mapped one to one from address 0 on, so an address is a page's number too.
static xen_pfn_t frame_of(uint64_t address)
{
    return ((const xen_pfn_t *)start->mfn_list)[address >> 12];
}

static void *page_of(xen_pfn_t frame)
{
    return (void *)(machine_to_phys_mapping[frame] << 12);
}

// No store has event channel 0: with that, the page is something else, or nothing.
static void read_start_info(void)
{
    map_shared_info(start->shared_info | 7); // present, writable, user
    machine.shared = (struct shared_info *)shared_info_page;
    // Where the list of our frames is: whoever saves the domain reads it.
    machine.shared->arch.max_pfn = start->nr_pages;
    machine.shared->arch.p2m_vaddr = start->mfn_list;
    machine.shared->arch.p2m_cr3 = frame_of(start->pt_base) << 12;
    machine.console_port = start->console.domU.evtchn;
    machine.console = start->console.domU.mfn && machine.console_port ? page_of(start->console.domU.mfn) : NULL;
    machine.store_port = start->store_evtchn;
    machine.store = start->store_mfn && machine.store_port ? page_of(start->store_mfn) : NULL;
}

// The saved image knows our own page numbers only, so before a suspend nothing may be left that names a frame: not in
// start_info, and not in the page tables, where the shared info page is the one frame that is not part of our memory.
// Who restores us writes the new frames, ports and shared info page into start_info.
static bool suspend(void)
{
    struct sched_shutdown reason = {.reason = SHUTDOWN_suspend};
    const xen_pfn_t console = start->console.domU.mfn;
    const xen_pfn_t store = start->store_mfn;

    start->console.domU.mfn = console ? machine_to_phys_mapping[console] : 0;
    start->store_mfn = store ? machine_to_phys_mapping[store] : 0;
    map_shared_info(0);
    const bool cancelled =
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address_of(&reason), frame_of(address_of(start)), 0) != 0;
    if (cancelled) {
        start->console.domU.mfn = console;
        start->store_mfn = store;
    }
    read_start_info();
    return cancelled;
}

void pv_main(struct start_info *info)
{
    start = info;
    machine.suspend = suspend;
    machine.kind = "PV";
    machine.command_line = (const char *)info->cmd_line;
    read_start_info();
    guest_main();
}
