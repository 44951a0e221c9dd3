#!/bin/busybox sh
# shellcheck shell=dash
# The Linux guest: says that it is up, sets up the devices that its command line asks for, gives a shell on its console.
#   lab.net=ADDRESS   eth0 gets this address (/24), and pings dom0's 192.168.77.1
#   lab.disk          reads the first bytes of /dev/xvda
#   lab.off           switches itself off
/bin/busybox mkdir -p /proc /sys /dev /bin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin

mark() {
  read -r uptime _ </proc/uptime
  echo "guest: $1 after $uptime s" >/dev/hvc0
}

wait_for() { # up to ten seconds
  tries=0
  while [ ! -e "$1" ] && [ $tries -lt 200 ]; do
    usleep 50000
    tries=$((tries + 1))
  done
}

mark up
# shellcheck disable=SC2013 # words are what is wanted
for word in $(cat /proc/cmdline); do
  case $word in
    lab.net=*)
      insmod /modules/xen-netfront.ko
      wait_for /sys/class/net/eth0
      ip link set lo up
      ip addr add "${word#*=}/24" dev eth0
      ip link set eth0 up
      mark 'network configured'
      tries=0
      until ping -c 1 -W 1 192.168.77.1 >/dev/null 2>&1 || [ $tries -ge 40 ]; do tries=$((tries + 1)); done
      if [ $tries -lt 40 ]; then mark 'network answers'; else mark 'network is dead'; fi
      ;;
    lab.disk)
      insmod /modules/xen-blkfront.ko
      wait_for /dev/xvda
      mark "disk of $(cat /sys/block/xvda/size) sectors begins with '$(head -c 16 /dev/xvda | tr -cd ' -~')'"
      ;;
    lab.off) poweroff -f ;;
  esac
done

while :; do
  setsid sh -c 'exec sh </dev/hvc0 >/dev/hvc0 2>&1'
done
