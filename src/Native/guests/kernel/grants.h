// Pages that other domains may look into, and pages of theirs that we may.
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

// A page of another domain, at a place of ours.
struct mapped {
    void *const page; // the place: a page of the image that holds nothing else
    bool is_hole;     // what was there has been given back
    bool is_there;
    grant_handle_t handle;
};

// False when the other domain does not grant it, or Xen has no room.
bool grants_map(struct mapped *mapped, domid_t of, grant_ref_t reference);
// What is not mapped is no error.
void grants_unmap(struct mapped *mapped);
