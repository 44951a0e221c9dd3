#!/usr/bin/env bash
# build-xen.sh DIRECTORY: DIRECTORY/xen/xen, a Xen of Debian's sources with the hypercall of LightVM's own hypervisor (devctl.c beside this file), which takes
# the number that Xen gave to device models later. For a lab alone (lab.sh start --xen): LightVM's hypervisor is a Xen 4.8, which no toolstack of today can talk to.
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
readonly here directory=$(readlink -m -- "${1:?the directory is missing}")
readonly options=(XEN_TARGET_ARCH=x86_64 KCONFIG_CONFIG=.config)

main() {
  "$here/../../../src/Native/fetch-source.sh" xen "$directory"
  cp "$here/devctl.c" "$directory/xen/common/"
  cd "$directory/xen"
  [[ -e .config ]] || prepare
  make -s -j "$(nproc)" "${options[@]}"
}

# Each place is looked for, and missed when it is not there.
prepare() {
  edit common/Makefile 's/^obj-y += domctl\.o$/&\nobj-y += devctl.o/'
  edit include/public/xen.h 's/^#define __HYPERVISOR_dm_op .*/&\n#define __HYPERVISOR_devctl 41/'
  edit include/hypercall-defs.c 's/^vm_assist(unsigned int cmd, unsigned int type)$/&\ndevctl(void *argument)/'
  edit include/hypercall-defs.c 's/^dm_op  .*/devctl - do - do -/'
  edit include/xen/sched.h 's/^ *shared_info_t *\*shared_info;.*/&\n    void *devctl;/'
  edit arch/x86/domain.c '/^void arch_domain_destroy/,/^}/ s/free_xenheap_page(d->shared_info);/&\n    free_xenheap_page(d->devctl);/'
  cp ../debian/xen-kconfig .config
  make -s "${options[@]}" olddefconfig
}

# edit FILE EXPRESSION
edit() {
  local before
  before=$(sha256sum <"$1")
  sed -i "$2" "$1"
  [[ $(sha256sum <"$1") != "$before" ]] || { echo "build-xen.sh: $1 is not as it is known; $2 finds nothing" >&2; exit 1; }
}

main
