#include "grants.h"

#include "hypercall.h"
#include "machine.h"
#include "pages.h"

// One frame of the table: enough for the rings and buffers of one interface.
enum { ENTRIES = PAGE_SIZE / sizeof(struct grant_entry_v1) };

static struct grant_entry_v1 table[ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static bool used[ENTRIES];
static grant_ref_t search_from;

bool grants_start(void)
{
    memset(used, 0, sizeof used);
    search_from = GNTTAB_NR_RESERVED_ENTRIES;
    return machine.is_pv ? pv_map_grant_table(table) : pvh_map_grant_table(table);
}

static grant_ref_t find_unused(void)
{
    for (grant_ref_t i = 0; i < ENTRIES; i++) {
        const grant_ref_t candidate = (search_from + i) % ENTRIES;
        if (candidate >= GNTTAB_NR_RESERVED_ENTRIES && !used[candidate]) {
            search_from = candidate + 1;
            used[candidate] = true;
            return candidate;
        }
    }
    return 0;
}

bool grants_give(struct granted *page, domid_t to, bool read_only)
{
    if (!page->page)
        page->page = pages_take(1);
    if (!page->page)
        return false;
    page->reference = find_unused();
    if (!page->reference)
        return false;
    volatile struct grant_entry_v1 *entry = &table[page->reference];
    entry->domid = to;
    entry->frame = (uint32_t)(machine.is_pv ? pv_frame_of(page->page) : pvh_frame_of(page->page));
    __atomic_thread_fence(__ATOMIC_RELEASE);
    entry->flags = read_only ? GTF_permit_access | GTF_readonly : GTF_permit_access;
    return true;
}

void grants_end(struct granted *page)
{
    if (!page->reference)
        return;
    uint16_t *const flags = &table[page->reference].flags;
    uint16_t seen = __atomic_load_n(flags, __ATOMIC_ACQUIRE);
    while (!(seen & (GTF_reading | GTF_writing)) &&
           !__atomic_compare_exchange_n(flags, &seen, GTF_invalid, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    }
    if (seen & (GTF_reading | GTF_writing))
        page->page = NULL;
    else
        used[page->reference] = false;
    page->reference = 0;
}

bool grants_map(struct mapped *mapped, domid_t of, grant_ref_t reference)
{
    if (!machine.is_pv && !mapped->is_hole)
        mapped->is_hole = pvh_make_hole(mapped->page);
    if (!machine.is_pv && !mapped->is_hole)
        return false;
    struct gnttab_map_grant_ref map = {
        .host_addr = address_of(mapped->page),
        .flags = GNTMAP_host_map,
        .ref = reference,
        .dom = of,
    };
    mapped->is_there = hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, address_of(&map), 1, 0) == 0 &&
                       map.status == GNTST_okay;
    mapped->handle = map.handle;
    return mapped->is_there;
}

void grants_unmap(struct mapped *mapped)
{
    struct gnttab_unmap_grant_ref unmap = {.host_addr = address_of(mapped->page), .handle = mapped->handle};
    if (mapped->is_there)
        hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, address_of(&unmap), 1, 0);
    mapped->is_there = false;
}
