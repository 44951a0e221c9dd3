#!/bin/busybox sh
# shellcheck shell=dash
# The Linux guest: says that it is up, does what its command line asks for, gives a shell on its console. What can be asked
# for, as words lab.NAME=VALUE of the command line, in their order, or as commands `lab NAME VALUE` of the shell:
#   net ADDRESS     eth0 gets this address (/24) and pings the first one of its network; net1 for eth1, and so on
#   nic ethN        says which address and how many queues it has
#   ping ADDRESS    pings it over and over in the background
#   pinged          ends that, and says how many replies were lost
#   disk DEVICE     says what size it has and how it begins ("xvda", without /dev)
#   write DEVICE    makes a file system on it and writes files and their check sums
#   read DEVICE     looks whether they are what they were
#   mount DEVICE, umount DEVICE
#   count           counts in memory in the background, and looks whether what it counted last is still there
#   counted         ends that, and says how far it got and how often something was missing
#   churn DEVICE    makes a file system on it, and writes a file on it over and over, reading back each time what it wrote before
#   churned DEVICE  ends that, and says how many files were written and how many were damaged
#   gone DEVICE     says so when a disk or interface is away
#   off             switches the guest off
# Each says what came of it in a line that begins with "guest:".

mark() {
  read -r uptime _ </proc/uptime
  echo "guest: $1 after $uptime s" >/dev/hvc0
}

eventually() { # eventually COMMAND...: a minute at most
  tries=0
  until "$@"; do
    [ $tries -lt 1200 ] || return 1
    usleep 50000
    tries=$((tries + 1))
  done
}

use_disk() {
  modprobe xen-blkfront
  modprobe ext4
  eventually [ -e "/dev/$1" ] || mark "no $1"
  mkdir -p "/mnt/$1"
}

do_word() {
  case $1 in
    net*)
      nic=eth${1#net}
      [ "$nic" != eth ] || nic=eth0
      modprobe xen-netfront
      eventually [ -e "/sys/class/net/$nic" ] || mark "no $nic"
      ip link set lo up
      ip addr add "$2/24" dev "$nic"
      ip link set "$nic" up
      if eventually ping -c 1 -W 1 "${2%.*}.1" >/dev/null 2>&1; then mark "$nic answers"; else mark "$nic is dead"; fi
      ;;
    nic) mark "$2 is $(cat "/sys/class/net/$2/address") with $(find "/sys/class/net/$2/queues" -name 'tx-*' | wc -l) queues" ;;
    ping)
      : >/tmp/pinging
      ping_on "$2" &
      ;;
    pinged) rm -f /tmp/pinging ;;
    disk)
      use_disk "$2"
      mark "$2 has $(cat "/sys/block/$2/size") sectors and begins with '$(head -c 16 "/dev/$2" | tr -cd ' -~')'"
      ;;
    write)
      use_disk "$2"
      if write_files "$2"; then mark "$2 written"; else mark "$2 cannot be written"; fi
      ;;
    read)
      use_disk "$2"
      if mount -t ext2 -o ro "/dev/$2" "/mnt/$2" && (cd "/mnt/$2" && sha256sum -cs sums); then mark "$2 is intact"; else mark "$2 is damaged"; fi
      umount "/mnt/$2"
      ;;
    mount)
      use_disk "$2"
      if mount -t ext2 "/dev/$2" "/mnt/$2"; then mark "$2 mounted"; else mark "$2 cannot be mounted"; fi
      ;;
    umount) if umount "/mnt/$2"; then mark "$2 unmounted"; else mark "$2 cannot be unmounted"; fi ;;
    count)
      : >/tmp/counting
      count_on &
      ;;
    counted) rm -f /tmp/counting ;;
    churn)
      use_disk "$2"
      if mke2fs "/dev/$2" >/dev/null 2>&1 && mount -t ext2 "/dev/$2" "/mnt/$2"; then
        : >/tmp/churning
        churn_on "$2" &
        mark "$2 churns"
      else
        mark "$2 cannot be written"
      fi
      ;;
    churned) rm -f /tmp/churning ;;
    gone) if eventually [ ! -e "/sys/class/net/$2" -a ! -e "/sys/block/$2" ]; then mark "$2 is gone"; else mark "$2 stays"; fi ;;
    off) poweroff -f ;;
    *) mark "nothing known of '$1'" ;;
  esac
}

ping_on() {
  sent=0 lost=0
  while [ -e /tmp/pinging ]; do
    sent=$((sent + 1))
    ping -c 1 -W 10 "$1" >/dev/null 2>&1 || lost=$((lost + 1))
    usleep 50000
  done
  mark "$sent pings, $lost lost"
}

count_on() {
  counted=0 lost=0
  echo 0 >/tmp/count
  while [ -e /tmp/counting ]; do
    [ "$(cat /tmp/count)" = "$counted" ] || lost=$((lost + 1))
    counted=$((counted + 1))
    echo $counted >/tmp/count
    usleep 10000
  done
  mark "$counted counted, $lost missing"
}

churn_on() {
  written=0 damaged=0
  while [ -e /tmp/churning ]; do
    dd if=/dev/urandom of="/mnt/$1/next" bs=16k count=4 2>/dev/null
    (cd "/mnt/$1" && sha256sum next >/tmp/next.sum)
    sync
    echo 3 >/proc/sys/vm/drop_caches
    (cd "/mnt/$1" && sha256sum -cs /tmp/next.sum) || damaged=$((damaged + 1))
    written=$((written + 1))
  done
  umount "/mnt/$1"
  mark "$1: $written written, $damaged damaged"
}

write_files() {
  mke2fs "/dev/$1" >/dev/null 2>&1 && mount -t ext2 "/dev/$1" "/mnt/$1" || return 1
  (
    cd "/mnt/$1" || exit
    for file in 1 2 3; do
      dd if=/dev/urandom of=$file bs=64k count=8 2>/dev/null || exit
    done
    sha256sum 1 2 3 >sums && sync
  ) && umount "/mnt/$1"
}

# As `lab`, it is the shell's.
if [ $# -gt 0 ]; then
  do_word "$@"
  exit
fi

/bin/busybox mkdir -p /proc /sys /dev /bin /sbin /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
ln -s /init /bin/lab

mark up
# shellcheck disable=SC2013 # words are what is wanted
for word in $(cat /proc/cmdline); do
  case $word in
    lab.*=*)
      word=${word#lab.}
      do_word "${word%%=*}" "${word#*=}"
      ;;
    lab.*) do_word "${word#lab.}" ;;
  esac
done

while :; do
  setsid sh -c 'exec sh </dev/hvc0 >/dev/hvc0 2>&1'
done
