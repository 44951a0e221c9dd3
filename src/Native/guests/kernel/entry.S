/* What the domain builder reads (the notes), and where the guest begins. GUEST_NAME and STACK_SIZE come from the build. */
#include <xen/elfnote.h>

.macro note type:req, value:vararg
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  \value
2:  .balign 4
.endm

    .section .note.Xen, "a", @note
    note XEN_ELFNOTE_GUEST_OS, .asciz GUEST_NAME
    note XEN_ELFNOTE_LOADER, .asciz "generic"
    note XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
    note XEN_ELFNOTE_ENTRY, .quad pv_entry
    note XEN_ELFNOTE_VIRT_BASE, .quad 0
    note XEN_ELFNOTE_PADDR_OFFSET, .quad 0
    note XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page
    note XEN_ELFNOTE_PHYS32_ENTRY, .long pvh_entry
    /* A suspend that did not happen returns 1 here, instead of a domain builder patching our state. */
    note XEN_ELFNOTE_SUSPEND_CANCEL, .long 1

/* Whoever makes the domain may leave Xenstore out. */
#ifdef GUEST_NOXS
    .section .note.LightVM, "a", @note
    .balign 4
    .long 8, 5, 1
    .asciz "LightVM"
    .asciz "noxs"
    .balign 4
#endif

    .text
    .globl pv_entry
pv_entry: /* 64-bit mode, paging on; rsi is the address of struct start_info */
    cld
    rdtsc
    mov %eax, entered_at(%rip)
    mov %edx, entered_at + 4(%rip)
    lea stack_top(%rip), %rsp
    mov %rsi, %rdi
    xor %ebp, %ebp
    call pv_main
    ud2

/* 32-bit mode with flat segments, paging off; ebx is the address of struct hvm_start_info. Our 64-bit code wants paging,
   so the first 4 GiB, where all that we use is, get mapped one to one with pages of 2 MiB. */
    .code32
    .globl pvh_entry
pvh_entry:
    cld
    rdtsc
    mov %eax, entered_at
    mov %edx, entered_at + 4
    mov $page_directories, %edi
    mov $0x83, %eax /* present, writable, large */
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    jnc 1b

    mov $page_directory_pointers, %edi
    mov $page_directories + 3, %eax /* present, writable */
    mov $4, %ecx
2:  mov %eax, (%edi)
    add $8, %edi
    add $4096, %eax
    loop 2b
    movl $page_directory_pointers + 3, page_map

    mov %cr4, %eax
    or $0x20, %eax /* physical address extension */
    mov %eax, %cr4
    mov $page_map, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx /* EFER */
    rdmsr
    or $0x100, %eax /* long mode */
    wrmsr
    mov %cr0, %eax
    or $0x80000000, %eax /* paging */
    mov %eax, %cr0
    lgdt descriptor_table_pointer
    ljmp $8, $3f

    .code64
3:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    lea stack_top(%rip), %rsp
    mov %ebx, %edi
    xor %ebp, %ebp
    call pvh_main
    ud2

    .section .rodata
    .balign 8
descriptor_table:
    .quad 0
    .quad 0x00af9b000000ffff /* 8: 64-bit code */
    .quad 0x00cf93000000ffff /* 16: data */
descriptor_table_pointer:
    .word . - descriptor_table - 1
    .long descriptor_table

    .bss
    .globl hypercall_page
    .balign 4096
hypercall_page: /* the hypercalls' entry points, 32 bytes each: written by the builder (PV) or the hypervisor (PVH) */
    .skip 4096
stack:
    .skip STACK_SIZE
stack_top:
    .globl entered_at
entered_at: /* the processor's time stamp when the guest began */
    .skip 8
/* Used by PVH only. */
    .balign 4096
page_map:
    .skip 4096
page_directory_pointers:
    .skip 4096
page_directories:
    .skip 4 * 4096
