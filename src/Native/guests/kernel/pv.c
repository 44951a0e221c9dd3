// A PV guest: runs on page tables that the domain builder made, and finds everything through struct start_info.
#include "machine.h"
#include "hypercall.h"

#include <xen/grant_table.h>

void pv_main(struct start_info *info);

static struct start_info *start;
static char shared_info_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static void *grant_table_page; // NULL: not mapped
static char hypervisor_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static uint64_t hypervisor_page_entry; // 0: not mapped

// With an entry of 0 nothing is there any more.
static bool map(const void *page, uint64_t entry)
{
    return hypercall(__HYPERVISOR_update_va_mapping, address_of(page), entry, UVMF_INVLPG, 0) == 0;
}

static uint64_t entry_of(uint64_t frame)
{
    return frame << 12 | 7; // present, writable, user
}

// Our memory is mapped one to one from address 0 on, so an address is a page's number too.
uint64_t pv_frame_of(const volatile void *address)
{
    return ((const xen_pfn_t *)start->mfn_list)[address_of(address) >> 12];
}

static void *page_of(xen_pfn_t frame)
{
    return (void *)(machine_to_phys_mapping[frame] << 12);
}

// No store has event channel 0: with that, the page is something else, or nothing.
static void read_start_info(void)
{
    map(shared_info_page, entry_of(start->shared_info >> 12));
    machine.shared = (struct shared_info *)shared_info_page;
    // Where the list of our frames is: whoever saves the domain reads it.
    machine.shared->arch.max_pfn = start->nr_pages;
    machine.shared->arch.p2m_vaddr = start->mfn_list;
    machine.shared->arch.p2m_cr3 = pv_frame_of((void *)start->pt_base) << 12;
    machine.console_port = start->console.domU.evtchn;
    machine.console = start->console.domU.mfn && machine.console_port ? page_of(start->console.domU.mfn) : NULL;
    machine.store_port = start->store_evtchn;
    void *const place = start->store_mfn ? page_of(start->store_mfn) : NULL;
    machine.store = machine.store_port ? place : NULL;
    machine.store_place = machine.store_port ? NULL : place;
}

// The saved image knows our own page numbers only, so before a suspend nothing may be left that names a frame: not in
// start_info, and not in the page tables, where the shared info page, the grant table and the hypervisor's page are the frames that are not part of our memory.
// Who restores us writes the new frames, ports and shared info page into start_info.
static bool suspend(void)
{
    struct sched_shutdown reason = {.reason = SHUTDOWN_suspend};
    const xen_pfn_t console = start->console.domU.mfn;
    const xen_pfn_t store = start->store_mfn;

    start->console.domU.mfn = console ? machine_to_phys_mapping[console] : 0;
    start->store_mfn = store ? machine_to_phys_mapping[store] : 0;
    map(shared_info_page, 0);
    if (grant_table_page)
        map(grant_table_page, 0);
    if (hypervisor_page_entry)
        map(hypervisor_page, 0);
    const bool cancelled =
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address_of(&reason), pv_frame_of(start), 0) != 0;
    if (cancelled) {
        start->console.domU.mfn = console;
        start->store_mfn = store;
    }
    read_start_info();
    if (cancelled && grant_table_page)
        pv_map_grant_table(grant_table_page);
    if (cancelled && hypervisor_page_entry)
        map(hypervisor_page, hypervisor_page_entry);
    return cancelled;
}

// Hypercall 41 ("devctl"), of which the argument is always copied as a whole; command 1 answers with a machine address.
const void *pv_hypervisor_page(void)
{
    enum { DEVCTL = 41, VERSION = 1, GET = 1, PRESENT_READABLE = 5 };
    static struct {
        uint32_t version, command;
        uint16_t domain;
        uint64_t address;
        uint64_t rest[80];
    } call;
    _Static_assert(sizeof call == 664, "the argument of devctl");
    call.version = VERSION;
    call.command = GET;
    call.domain = DOMID_SELF;
    hypervisor_page_entry = 0;
    if (hypercall(DEVCTL, address_of(&call), 0, 0, 0))
        return NULL;
    hypervisor_page_entry = call.address | PRESENT_READABLE;
    return map(hypervisor_page, hypervisor_page_entry) ? hypervisor_page : NULL;
}

bool pv_map_grant_table(void *page)
{
    xen_pfn_t frame;
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    set_xen_guest_handle(setup.frame_list, &frame);
    if (hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, address_of(&setup), 1, 0) || setup.status != GNTST_okay)
        return false;
    grant_table_page = page;
    return map(page, entry_of(frame));
}

// The builder's page tables come last of what it has made, with one page for a stack after them. They map more than that,
// by tables of 2 MiB each, and need not map all that we have.
struct memory pv_free_memory(void)
{
    const uint64_t *table = (const uint64_t *)start->pt_base;
    for (int level = 4; level > 2; level--)
        table = page_of(table[0] >> 12 & 0xffffffffff);
    size_t mapped = 0;
    while (mapped < PAGE_SIZE / sizeof *table && table[mapped] & 1)
        mapped++;
    uint64_t end = (uint64_t)mapped << 21;
    if (end > (uint64_t)start->nr_pages * PAGE_SIZE)
        end = (uint64_t)start->nr_pages * PAGE_SIZE;
    return (struct memory){start->pt_base + (start->nr_pt_frames + 1) * PAGE_SIZE, end};
}

void pv_main(struct start_info *info)
{
    start = info;
    machine.suspend = suspend;
    machine.kind = "PV";
    machine.is_pv = true;
    machine.command_line = (const char *)info->cmd_line;
    read_start_info();
    guest_main();
}
