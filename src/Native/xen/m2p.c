/* SPDX-License-Identifier: BSD-3-Clause
 * The hypervisor's table of all frames (M2P), mapped once for all that a process saves and restores.
 *
 * Of each PV guest that is saved or restored, libxenguest maps that table, 2 MiB for each GiB of the host's memory, and unmaps it in
 * the end. In a PV dom0 each page that is taken away costs the hypervisor's help: half of libxenguest's time for a guest of 4 MiB on
 * a host of 4 GiB, and more on larger ones. The table stays where it is as long as the machine is up, so one
 * mapping, which can only be read, does for all. libxenguest knows of no such thing, but it calls two functions of other libraries
 * for it, by addresses that the loader has left in a table of its own; there, ours are put. Where that cannot be done, everything is
 * as without it. */
#include "internal.h"

#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* xc_map_foreign_ranges of libxenctrl, which no header that is installed declares. */
typedef void *map_ranges_function(xc_interface *xc, uint32_t domid, size_t size, int protection, size_t chunk, void *entries, int count);

static map_ranges_function *map_ranges_of_libxenctrl;
static pthread_mutex_t mapping = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(void *) table; /* once there, it stays */
static size_t table_size;     /* set before the table is */

static void *map_ranges(xc_interface *xc, uint32_t domid, size_t size, int protection, size_t chunk, void *entries, int count)
{
    if (domid != DOMID_XEN || protection != PROT_READ)
        return map_ranges_of_libxenctrl(xc, domid, size, protection, chunk, entries, count);
    pthread_mutex_lock(&mapping);
    void *mapped = atomic_load(&table);
    /* Of another size once memory was added to the host: then libxenguest gets one of its own, as it would anyway. */
    if (!mapped || table_size != size) {
        void *shared = mapped;
        mapped = map_ranges_of_libxenctrl(xc, domid, size, protection, chunk, entries, count);
        if (!shared && mapped) {
            table_size = size;
            atomic_store(&table, mapped);
        }
    }
    pthread_mutex_unlock(&mapping);
    return mapped;
}

static int unmap(void *address, size_t size)
{
    return address && address == atomic_load(&table) ? 0 : munmap(address, size);
}

struct place {
    const char *name;
    uintptr_t function; /* ours */
    uintptr_t *slot;
};

enum { UNMAP, MAP_RANGES, PLACES };

struct library {
    uintptr_t address; /* of something in it */
    uintptr_t base;
    uintptr_t sealed; /* begin and end of what the loader makes read-only when it is done */
    uintptr_t sealed_end;
    const ElfW(Dyn) *dynamic;
};

static int find_library(struct dl_phdr_info *info, size_t size, void *data)
{
    struct library *library = data;
    bool is_it = false;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        is_it |= part->p_type == PT_LOAD && library->address - info->dlpi_addr - part->p_vaddr < part->p_memsz;
    }
    if (!is_it)
        return 0;
    library->base = info->dlpi_addr;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_DYNAMIC)
            library->dynamic = (const ElfW(Dyn) *)(info->dlpi_addr + part->p_vaddr);
        if (part->p_type == PT_GNU_RELRO) {
            library->sealed = info->dlpi_addr + part->p_vaddr;
            library->sealed_end = library->sealed + part->p_memsz;
        }
    }
    return 1;
}

static uintptr_t page_mask(void)
{
    return ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
}

/* Such a place is read-only, and has been given its final address: the loader will not write there again. */
static bool is_sealed(const struct library *library, const uintptr_t *slot)
{
    return (uintptr_t)slot >= library->sealed && (uintptr_t)slot < (library->sealed_end & page_mask());
}

/* Where a library's code finds the functions that it calls. */
static bool find_slots(const struct library *library, struct place places[PLACES])
{
    const ElfW(Sym) *symbols = NULL;
    const char *names = NULL;
    const ElfW(Rela) *calls = NULL, *others = NULL;
    size_t calls_size = 0, others_size = 0;
    for (const ElfW(Dyn) *entry = library->dynamic; entry && entry->d_tag != DT_NULL; entry++) {
        switch (entry->d_tag) { /* glibc has put addresses in the places of offsets */
        case DT_SYMTAB: symbols = (const ElfW(Sym) *)entry->d_un.d_ptr; break;
        case DT_STRTAB: names = (const char *)entry->d_un.d_ptr; break;
        case DT_JMPREL: calls = (const ElfW(Rela) *)entry->d_un.d_ptr; break;
        case DT_PLTRELSZ: calls_size = entry->d_un.d_val; break;
        case DT_RELA: others = (const ElfW(Rela) *)entry->d_un.d_ptr; break;
        case DT_RELASZ: others_size = entry->d_un.d_val; break;
        default: break;
        }
    }
    if (!symbols || !names)
        return false;
    const struct {
        const ElfW(Rela) *first;
        size_t count;
    } lists[] = { { calls, calls_size / sizeof *calls }, { others, others_size / sizeof *others } };
    for (size_t list = 0; list < sizeof lists / sizeof *lists; list++)
        for (size_t i = 0; lists[list].first && i < lists[list].count; i++) {
            const ElfW(Rela) *relocation = &lists[list].first[i];
            unsigned long type = ELF64_R_TYPE(relocation->r_info);
            if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
                continue;
            const char *name = names + symbols[ELF64_R_SYM(relocation->r_info)].st_name;
            for (int place = 0; place < PLACES; place++)
                if (!strcmp(name, places[place].name)) {
                    if (places[place].slot)
                        return false; /* twice: not the library that is known here */
                    places[place].slot = (uintptr_t *)(library->base + relocation->r_offset);
                }
        }
    for (int place = 0; place < PLACES; place++)
        if (!places[place].slot || !is_sealed(library, places[place].slot))
            return false;
    return true;
}

static bool write_slot(const struct place *place)
{
    uintptr_t slot = (uintptr_t)place->slot, page = slot & page_mask();
    if (mprotect((void *)page, slot + sizeof slot - page, PROT_READ | PROT_WRITE))
        return false;
    __atomic_store_n(place->slot, place->function, __ATOMIC_RELEASE);
    mprotect((void *)page, slot + sizeof slot - page, PROT_READ);
    return true;
}

static void share(void)
{
    struct library guest = { .address = (uintptr_t)xc_domain_restore };
    struct place places[PLACES] = {
        [UNMAP] = { .name = "munmap", .function = (uintptr_t)unmap },
        [MAP_RANGES] = { .name = "xc_map_foreign_ranges", .function = (uintptr_t)map_ranges },
    };
    if (!dl_iterate_phdr(find_library, &guest) || !find_slots(&guest, places))
        return;
    map_ranges_of_libxenctrl = (map_ranges_function *)*places[MAP_RANGES].slot;
    if (write_slot(&places[UNMAP])) /* with this alone nothing is different yet */
        write_slot(&places[MAP_RANGES]);
}

void lvm_share_m2p(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, share);
}
