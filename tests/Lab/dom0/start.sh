#!/opt/lab/bin/busybox sh
# shellcheck shell=dash
# dom0's start, run by init: what systemd and others do elsewhere, and nothing that a Xen test does not need. Where systemd is init, it is run by that.
system_path=/usr/local/sbin:/usr/local/bin:/usr/lib/xen-4.17/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Applets of busybox first: they start faster.
export PATH=/opt/lab/bin:$system_path HOME=/root LANG=C.UTF-8
ulimit -n 65536

option() { # option NAME DEFAULT: the word lab.NAME=... of the kernel's command line
  value=$2
  # shellcheck disable=SC2013 # words are what is wanted
  for word in $(cat /proc/cmdline); do
    case $word in "lab.$1="*) value=${word#*=} ;; esac
  done
  echo "$value"
}

mark() { # in the console: how far the start is
  read -r uptime _ </proc/uptime
  echo "lab: $1 after $uptime s" >/dev/hvc0
}

mount_all() {
  mount -t tmpfs -o mode=755 run /run
  mount -t tmpfs tmp /tmp
  mkdir -p /run/lock /run/sshd /dev/pts /dev/shm
  chmod 1777 /tmp
  mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs shm /dev/shm
  [ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
  for stream in stdin:0 stdout:1 stderr:2; do
    [ -e "/dev/${stream%:*}" ] || ln -s "/proc/self/fd/${stream#*:}" "/dev/${stream%:*}"
  done
}

load_modules() {
  while read -r module; do
    insmod "$module"
  done </opt/lab/modules
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=none host /host
  mount -t xenfs xenfs /proc/xen
}

start_network() {
  name=$(option name lab)
  hostname "$name"
  echo "127.0.1.1 $name" >>/etc/hosts
  PATH=$system_path
  ip link set lo up
  ip addr add 10.0.2.15/24 dev eth0
  ip link set eth0 up
  for number in 0 1; do
    ip link add xenbr$number type bridge
    ip addr add 192.168.$((77 + number)).1/24 dev xenbr$number
    ip link set xenbr$number up
  done
  lan=$(option lan none)
  if [ "$lan" != none ]; then
    ip addr add "$lan" dev eth1
    ip link set eth1 up
  fi
  PATH=/opt/lab/bin:$system_path
}

start_xen() {
  mkdir -p /run/xen /run/xenstored
  PATH=$system_path
  case $(option xenstored c) in
    o) oxenstored --pid-file /run/xen/xenstored.pid ;;
    *) xenstored --pid-file=/run/xen/xenstored.pid ;;
  esac
  xen-init-dom0
  xenconsoled --pid-file=/run/xen/xenconsoled.pid --log=guest --log-dir=/var/log/xen/console
  PATH=/opt/lab/bin:$system_path
}

mark 'root disk mounted'
[ -d /run/systemd/system ] || mount_all
load_modules
mark 'modules loaded'
start_network
start_xen
mark 'Xen daemons started'
touch /host/.ready
