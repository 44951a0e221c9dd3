// Pages that other domains may look into.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/grant_table.h>

// A page of ours and its grant.
struct granted {
    void *page;
    grant_ref_t reference; // 0: not granted
};

// To be called before all others, and after each suspend that was one: all grants have gone then. False: there is no table.
bool grants_start(void);
// Takes a page if there is none yet, and grants it; false when one of both cannot be had.
bool grants_give(struct granted *page, domid_t to, bool read_only);
// Takes the grant back. The page is left to a domain that still has it mapped, and is NULL then.
void grants_end(struct granted *page);
