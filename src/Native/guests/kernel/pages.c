#include "pages.h"

#include "machine.h"

static struct memory rest;
static bool known;

static void look(void)
{
    if (!known)
        rest = machine.is_pv ? pv_free_memory() : pvh_free_memory();
    known = true;
}

size_t pages_free(void)
{
    look();
    return rest.end > rest.begin ? (rest.end - rest.begin) / PAGE_SIZE : 0;
}

void *pages_take(size_t count)
{
    if (count > pages_free())
        return NULL;
    void *const pages = (void *)rest.begin;
    rest.begin += count * PAGE_SIZE;
    return memset(pages, 0, count * PAGE_SIZE);
}
