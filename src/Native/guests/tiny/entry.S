/* What the domain builder reads (the notes), and where the guest begins. */
#include <xen/elfnote.h>

.macro note type:req, value:vararg
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  \value
2:  .balign 4
.endm

    .section .note.Xen, "a", @note
    note XEN_ELFNOTE_GUEST_OS, .asciz "tiny"
    note XEN_ELFNOTE_LOADER, .asciz "generic"
    note XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
    note XEN_ELFNOTE_ENTRY, .quad pv_entry
    note XEN_ELFNOTE_VIRT_BASE, .quad 0
    note XEN_ELFNOTE_PADDR_OFFSET, .quad 0
    note XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page
    /* A suspend that did not happen returns 1 here, instead of a domain builder patching our state. */
    note XEN_ELFNOTE_SUSPEND_CANCEL, .long 1

    .text
    .globl pv_entry
pv_entry: /* 64-bit mode, paging on; rsi is the address of struct start_info */
    cld
    lea stack_top(%rip), %rsp
    mov %rsi, %rdi
    xor %ebp, %ebp
    call pv_main
    ud2

    .bss
    .globl hypercall_page
    .balign 4096
hypercall_page: /* the hypercalls' entry points, 32 bytes each: written by the builder (PV) or the hypervisor (PVH) */
    .skip 4096
stack:
    .skip 4096
stack_top:
