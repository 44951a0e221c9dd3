#!/usr/bin/env bash
# A real Xen with a Debian dom0 in an emulated machine, for tests and for use by hand.
# README.md beside this file tells what it is made of and why.
set -euo pipefail

lab_source=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
readonly lab_source
# shellcheck source=lib/common.sh
source "$lab_source/lib/common.sh"
# shellcheck source=lib/image.sh
source "$lab_source/lib/image.sh"
# shellcheck source=lib/machine.sh
source "$lab_source/lib/machine.sh"
# shellcheck source=lib/agent.sh
source "$lab_source/lib/agent.sh"

usage() {
  cat <<'USAGE'
lab.sh: a real Xen with a Debian dom0 in an emulated machine

  lab.sh build [--force]         make the dom0 image (once, and again when its inputs changed)
  lab.sh start [NAME] [OPTION...]
                                 boot a lab in the background; returns when it takes commands
      --memory MiB               of the machine, shared by dom0 and the guests  (default 4096)
      --dom0-memory MiB          of dom0                                        (default 1536)
      --cpus N                   of the machine; dom0 has one                   (default 2)
      --xenstored c|o            the C or the OCaml store daemon                (default c)
      --init busybox|systemd     what dom0 is started by                        (default busybox)
      --lan ADDRESS              dom0's address on a wire between the labs, e.g. 10.9.0.1/24
      --disk FILE                a second disk, /dev/vdb in dom0, which labs may share
      --xen FILE                 another hypervisor than Debian's, an ELF image for multiboot
      --xen-args ARGS            more words for Xen's command line
      --dom0-kernel-args ARGS    more words for the command line of dom0's kernel
      --timeout S                how long the boot may take                     (default 180)
  lab.sh install [NAME [DIR]]    copy a build (default: artifacts/ of this tree) to /lightvm in dom0
  lab.sh run [NAME] [--timeout S] -- COMMAND...
                                 run it as root in dom0: its output, its errors, its exit code
                                 one word is a line of shell, several are a program and its arguments
  lab.sh run [NAME] [--timeout S]
                                 the same for a bash script on standard input
  lab.sh copy NAME SRC... DEST   copy files or folders into dom0
  lab.sh shell [NAME]            a shell in dom0
  lab.sh console [NAME] [-f]     what Xen and dom0's kernel have printed (-f: and go on)
  lab.sh keys NAME KEYS          send debug keys to Xen (h lists them) and show its answer
  lab.sh status                  the labs and the image
  lab.sh stop [NAME]             switch a lab off; its disk is forgotten, its share is kept

NAME is $LIGHTVM_LAB_NAME or else "lab" when it is not given. A command ends after 600 seconds unless --timeout says
otherwise (0: never); then the exit code is 124. When the lab itself fails, it is 125.
Everything is kept under $LIGHTVM_LAB (default: lightvm/lab in the user's cache folder).
USAGE
}

main() {
  local command=${1:-help}
  shift || true
  case $command in
    build | start | install | run | copy | shell | console | keys | status | stop) "lab_$command" "$@" ;;
    help | -h | --help) usage ;;
    *)
      usage >&2
      die "there is no command '$command'"
      ;;
  esac
}

main "$@"
