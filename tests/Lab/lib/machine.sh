# shellcheck shell=bash
# The emulated machines: start, stop, console, debug keys, status.
#
# A lab is a directory: qemu.pid, ssh_config, settings, console.log, the sockets of QEMU and ssh, and share/ (/host in dom0).

# Each missing feature has a reason; README.md has them all. The one that must never come back is xsave:
# with it, dom0's programs silently compute wrong results while a guest runs.
readonly cpu_model=${LIGHTVM_LAB_CPU:-max,-smap,-la57,-monitor,-rdtscp,-xsave,-erms}

# Where labs that were started with --lan meet: a multicast group that stays on the loopback interface.
readonly lan_group=230.76.77.78:7677

lab_start() {
  local name named memory=4096 dom0_memory=1536 cpus=2 xenstored=c init=busybox lan='' disk='' xen=xen xen_args='' kernel_args='' timeout=180
  take_name "$@"
  shift "$named"
  while (($#)); do
    (($# > 1)) || die "start: $1 is no option, or its value is missing; see lab.sh help"
    case $1 in
      --memory) memory=$2 ;;
      --dom0-memory) dom0_memory=$2 ;;
      --cpus) cpus=$2 ;;
      --disk) disk=$2 ;;
      --xenstored) xenstored=$2 ;;
      --init) init=$2 ;;
      --lan) lan=$2 ;;
      --xen) xen=$(readlink -e -- "$2") || die "there is no $2" ;;
      --xen-args) xen_args=$2 ;;
      --dom0-kernel-args) kernel_args=$2 ;;
      --timeout) timeout=$2 ;;
      *) die "start has no option $1; see lab.sh help" ;;
    esac
    shift 2
  done
  local number
  for number in "$memory" "$dom0_memory" "$cpus" "$timeout"; do
    [[ $number =~ ^[1-9][0-9]*$ ]] || die "'$number' is not a number"
  done
  [[ $xenstored == [co] ]] || die "--xenstored is c or o"
  [[ $init == busybox || $init == systemd ]] || die "--init is busybox or systemd"
  ((dom0_memory + 256 <= memory)) || die "dom0 and Xen need less than all the memory: at least 256 MiB more than --dom0-memory"

  local directory
  directory=$(lab_dir "$name")
  # A Unix socket's path has at most 107 bytes, and ssh adds 17 to its own for a moment.
  ((${#directory} <= 80)) || die "the path $directory is too long for sockets; set LIGHTVM_LAB to a shorter one"
  [[ $directory != *,* ]] || die "QEMU cannot have a comma in a path: $directory; set LIGHTVM_LAB"
  mkdir -p "$directory/share"
  exec 9>"$directory/start.lock"
  flock 9
  if is_running "$name"; then
    say "$name runs already"
    connect "$name" || die "$name runs but does not answer; see lab.sh console $name"
    return 0
  fi
  [[ -e $image_dir/inputs ]] || lab_build ""
  require_packages "${host_packages[@]}"

  local started=$SECONDS
  boot "$directory"
  wait_until_ready "$name" "$timeout"
  exec 9>&-
  say "$name is up after $((SECONDS - started)) s"
}

# boot DIRECTORY: with the settings of lab_start
boot() {
  local directory=$1 port try
  local xen_line="console=com1 com1=115200,8n1 dom0_mem=${dom0_memory}M,max:${dom0_memory}M dom0_max_vcpus=1"
  xen_line+=" edd=off edid=no bootscrub=0 cpuidle=0 loglvl=warning guest_loglvl=warning $xen_args"
  local kernel_line="console=hvc0 quiet mitigations=off audit=0 apparmor=0 random.trust_cpu=on nomodeset net.ifnames=0"
  kernel_line+=" lab.name=$name lab.xenstored=$xenstored lab.init=$init ${lan:+lab.lan=$lan} $kernel_args"
  # A comma is QEMU's separator between the boot modules; two are one.
  kernel_line=${kernel_line//,/,,}

  rm -f "$directory"/{qemu.pid,console.log,ssh_config,settings,share/.ready,*.sock}
  printf 'memory=%s dom0-memory=%s cpus=%s xenstored=%s%s\n' "$memory" "$dom0_memory" "$cpus" "$xenstored" "${lan:+ lan=$lan}" >"$directory/settings"
  # shellcheck disable=SC2054 # the commas are QEMU's
  local machine=(
    qemu-system-x86_64 -name "lightvm-lab-$name" -daemonize -pidfile "$directory/qemu.pid"
    -accel tcg,thread=multi,tb-size=256 -cpu "$cpu_model" -m "$memory" -smp "$cpus"
    -nodefaults -no-reboot -vga none -display none
    -drive "file=root.ext4,if=virtio,format=raw,snapshot=on,cache=unsafe"
    -virtfs "local,path=$directory/share,mount_tag=host,security_model=none,multidevs=remap"
    -chardev "socket,id=serial,path=$directory/serial.sock,server=on,wait=off,logfile=$directory/console.log"
    -serial chardev:serial
    -monitor "unix:$directory/monitor.sock,server=on,wait=off"
    -kernel "$xen" -append "$xen_line"
    -initrd "vmlinux $kernel_line,initrd.gz"
  )
  # Not locked: another lab may have the same one.
  [[ -z $disk ]] || machine+=(-drive "file=$disk,if=virtio,format=raw,cache=writeback,file.locking=off")
  if [[ $lan ]]; then
    # All labs run the same image: the address is what tells the network cards apart.
    local mac
    mac=52:54:$(printf '%s' "$lan" | sha256sum | sed 's/\(..\)\(..\)\(..\)\(..\).*/\1:\2:\3:\4/')
    machine+=(-netdev "socket,id=lan,mcast=$lan_group,localaddr=127.0.0.1" -device "virtio-net-pci,netdev=lan,mac=$mac,romfile=,addr=9")
  fi
  # The port is chosen by chance; another program may have it.
  for try in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    # From the image's folder: in the list of boot modules, a blank ends a file's name.
    if (cd "$image_dir" && "${machine[@]}" -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$port-:22" \
      -device virtio-net-pci,netdev=net,romfile=,addr=8 </dev/null 2>"$directory/qemu.log" 9>&-); then
      write_ssh_config "$directory" "$port"
      return
    fi
    grep -q 'host forwarding rule' "$directory/qemu.log" || break
  done
  cat "$directory/qemu.log" >&2
  die "QEMU does not start (attempt $try)"
}

wait_until_ready() {
  local name=$1 deadline=$((SECONDS + $2)) directory
  directory=$(lab_dir "$name")
  until [[ -e $directory/share/.ready ]] && connect "$name"; do
    is_running "$name" || start_failed "$name" "the machine ended"
    ((SECONDS < deadline)) || start_failed "$name" "no answer in $2 s"
    sleep 0.2
  done
}

start_failed() {
  local directory
  directory=$(lab_dir "$1")
  say "the console's last lines:"
  tail -n 30 "$directory/console.log" >&2 || true
  tail -n 5 "$directory/qemu.log" "$directory/ssh.log" >&2 2>/dev/null || true
  switch_off "$1"
  die "$1 did not start: $2; the whole console: $directory/console.log"
}

# running_pid NAME: the process id, if that process still is the lab's QEMU.
running_pid() {
  local directory pid
  directory=$(lab_dir "$1")
  [[ -e $directory/qemu.pid ]] || return 1
  pid=$(<"$directory/qemu.pid")
  [[ $pid && -e /proc/$pid/cmdline ]] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$directory/qemu.pid" || return 1
  echo "$pid"
}

is_running() { running_pid "$1" >/dev/null; }

# need_running NAME
need_running() {
  is_running "$1" || die "no lab '$1' runs; start it with: lab.sh start $1"
}

lab_stop() {
  local name named
  take_name "$@"
  (($# == named)) || die "stop takes a name"
  if is_running "$name"; then
    switch_off "$name"
    say "$name is stopped"
  else
    say "$name does not run"
  fi
}

# Nothing is worth a shutdown in good order: the disk is a snapshot that goes with the process.
switch_off() {
  local pid tries
  disconnect "$1"
  pid=$(running_pid "$1") || return 0
  kill "$pid"
  for ((tries = 0; tries < 100; tries++)); do
    is_running "$1" || return 0
    sleep 0.1
  done
  kill -9 "$pid"
}

lab_console() {
  local name named log
  take_name "$@"
  shift "$named"
  log=$(lab_dir "$name")/console.log
  [[ -e $log ]] || die "there is no console of '$name'"
  case ${1:-} in
    '') cat "$log" ;;
    -f) tail -n +1 -f "$log" ;;
    *) die "console takes a name and -f" ;;
  esac
}

# Three times Ctrl-A switches the serial line between dom0 and Xen.
lab_keys() {
  (($# == 2)) || die "keys takes a name and the keys"
  local name=$1 keys=$2 directory before
  check_name "$name"
  need_running "$name"
  directory=$(lab_dir "$name")
  before=$(stat -c %s "$directory/console.log")
  {
    printf '\001\001\001'
    sleep 0.5
    printf '%s' "$keys"
    sleep 2
    printf '\001\001\001'
    sleep 0.5
  } | socat -u - "UNIX-CONNECT:$directory/serial.sock"
  tail -c "+$((before + 1))" "$directory/console.log"
}

lab_status() {
  if [[ -e $image_dir/inputs ]]; then
    echo "image: $image_dir, made $(date -r "$image_dir/inputs" '+%Y-%m-%d %H:%M')"
  else
    echo "image: none; lab.sh build makes it"
  fi
  local directory name pid
  for directory in "$lab_home"/labs/*/; do
    [[ -e $directory/settings ]] || continue
    name=$(basename "$directory")
    if pid=$(running_pid "$name"); then
      echo "$name: runs (process $pid, since $(date -r "$directory/qemu.pid" +%H:%M)), $(<"$directory/settings")"
    else
      echo "$name: stopped"
    fi
  done
}
