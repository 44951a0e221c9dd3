/* SPDX-License-Identifier: BSD-3-Clause
 * What LightVM's own hypervisor has beyond Xen's: hypercall 41, by which it keeps a page for each guest that lists its devices. Written anew after the
 * description of what it does (docs/noxs.md), with its defects, which a toolstack has to live with: a removal takes every device away that has the type or the number,
 * and lowers the count by one; what is behind a hole may be beyond the count; and a device too many ends the host. build-xen.sh puts it into the sources of a Xen of today. */
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/mm.h>
#include <xen/sched.h>

enum { CALL_VERSION = 1, MOST = 32 };
enum { GET = 1, ADD, REMOVE, LIST };

struct entry {
    uint32_t type, id;
    uint16_t backend;
    uint32_t grant, port;
};

struct page {
    uint32_t version, count;
    struct entry entries[MOST];
};

struct call {
    uint32_t version, command;
    uint16_t domain;
    union {
        uint64_t address;
        struct entry added;
        struct {
            uint32_t type;
            uint16_t backend, frontend;
            uint32_t id;
        } removed;
        struct {
            uint32_t count;
            struct entry entries[MOST];
        } list;
    };
};

static DEFINE_SPINLOCK(lock);

static struct page *page_of(struct domain *d)
{
    if ( !d->devctl && (d->devctl = alloc_xenheap_pages(0, MEMF_bits(32))) )
    {
        clear_page(d->devctl);
        share_xen_page_with_guest(virt_to_page(d->devctl), d, SHARE_ro);
    }
    return d->devctl;
}

static int add(struct page *page, const struct entry *entry)
{
    unsigned int i = 0;

    if ( !entry->type )
        return -EINVAL;
    if ( page->count > MOST )
        return -ENOBUFS;
    while ( i < MOST && page->entries[i].type )
        i++;
    BUG_ON(i == MOST);
    page->entries[i] = *entry;
    page->count++;
    return 0;
}

static void remove(struct page *page, uint32_t type, uint32_t id)
{
    unsigned int i;

    for ( i = 0; i < MOST; i++ )
        if ( page->entries[i].type == type || page->entries[i].id == id )
            memset(&page->entries[i], 0, sizeof(page->entries[i]));
    page->count--;
}

static int act(struct call *call, struct page *page)
{
    unsigned int i;

    switch ( call->command )
    {
    case GET:
        call->address = virt_to_maddr(page);
        return 0;
    case ADD:
        return add(page, &call->added);
    case REMOVE:
        remove(page, call->removed.type, call->removed.id);
        return 0;
    case LIST:
        call->list.count = 0;
        for ( i = 0; i < MOST; i++ )
            if ( page->entries[i].type )
                call->list.entries[call->list.count++] = page->entries[i];
        return 0;
    default:
        return -ESRCH;
    }
}

long do_devctl(XEN_GUEST_HANDLE_PARAM(void) argument)
{
    struct call call;
    struct domain *d;
    struct page *page;
    long rc;

    BUILD_BUG_ON(sizeof(struct page) != 648 || sizeof(struct call) != 664);
    if ( copy_from_guest((char *)&call, guest_handle_cast(argument, char), sizeof(call)) )
        return -EFAULT;
    if ( call.version != CALL_VERSION )
        return -EACCES;
    if ( call.domain == DOMID_SELF )
        call.domain = current->domain->domain_id;
    if ( !is_control_domain(current->domain) && (call.command != GET || call.domain != current->domain->domain_id) )
        return -EPERM;
    d = rcu_lock_domain_by_id(call.domain);
    if ( !d )
        return -ESRCH;
    spin_lock(&lock);
    page = page_of(d);
    rc = page ? act(&call, page) : -ENOMEM;
    spin_unlock(&lock);
    rcu_unlock_domain(d);
    if ( !rc && (call.command == GET || call.command == LIST) && copy_to_guest(guest_handle_cast(argument, char), (char *)&call, sizeof(call)) )
        rc = -EFAULT;
    return rc;
}
