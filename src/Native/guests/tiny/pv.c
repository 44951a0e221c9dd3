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

// Our memory is mapped one to one from address 0 on (VIRT_BASE), and Xen tells which of our pages a frame is.
static void *page_of_frame(uint64_t frame)
{
    return (void *)(machine_to_phys_mapping[frame] << 12);
}

// No store has event channel 0: with that, the page is something else, or nothing.
static void read_start_info(void)
{
    map_shared_info(start->shared_info | 7); // present, writable, user
    machine.shared = (struct shared_info *)shared_info_page;
    machine.console_port = start->console.domU.evtchn;
    machine.console = start->console.domU.mfn && machine.console_port ? page_of_frame(start->console.domU.mfn) : NULL;
    machine.store_port = start->store_evtchn;
    machine.store = start->store_mfn && machine.store_port ? page_of_frame(start->store_mfn) : NULL;
}

void pv_main(struct start_info *info)
{
    start = info;
    machine.kind = "PV";
    machine.command_line = (const char *)info->cmd_line;
    read_start_info();
    guest_main();
}
