#!/bin/busybox sh
# shellcheck shell=dash
# First program of dom0: load what the root disk needs, go there.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read -r module; do
  insmod "/modules/$module"
done </modules/order
mount -t ext4 -o noatime /dev/vda /root
for tree in dev proc sys; do
  mount -o move "/$tree" "/root/$tree"
done
init=/sbin/init
grep -q 'lab\.init=systemd' /root/proc/cmdline && init=/lib/systemd/systemd
exec switch_root /root $init
