# shellcheck shell=bash
# `lab.sh build`: everything that the emulated machine boots, made from Debian's packages.
#
# The packages are resolved by apt against an empty dpkg database, downloaded and unpacked: no chroot and no
# maintainer scripts (dom0 has an init of its own, so nothing would start what they set up). It is faster than
# debootstrap, and neither Xen nor a kernel needs to be installed on the machine that runs the lab, where
# installing the hypervisor would change what the machine boots.

# What the machine that runs the lab needs.
readonly host_packages=(
  qemu-system-x86 openssh-client rsync socat
  e2fsprogs kmod binutils cpio xz-utils
)

# What dom0 has, with the dependencies.
readonly dom0_packages=(
  base-files base-passwd bash coreutils dash debianutils diffutils findutils grep gzip hostname less libc-bin
  bsdutils e2fsprogs mawk mount ncurses-base procps sed tar util-linux xz-utils
  bridge-utils iproute2 iputils-ping kmod openssh-server rsync socat strace
  "xen-utils-$xen_version" xenstore-utils libfuse3-3
  libicu72 libgssapi-krb5-2 libssl3 libstdc++6 zlib1g # for .NET
  systemd # for labs that are started with --init systemd
)

# What is unpacked without its dependencies, which would only configure a boot loader.
readonly plain_packages=("xen-hypervisor-$xen_version-amd64" grub-xen-host busybox-static)

# Loaded by dom0's ramdisk, to reach the root disk.
readonly root_modules=(virtio_pci virtio_blk ext4)
# Loaded at dom0's start.
readonly dom0_modules=(
  9p 9pnet_virtio virtio_net
  xenfs xen-evtchn xen-gntdev xen-gntalloc xen-netback xen-blkback
  loop tun bridge cuse
)
# For modprobe, by hand.
readonly more_modules=(xen-netfront xen-blkfront veth dummy)
# In the ramdisk of the Linux guest, where they are loaded when they are needed.
readonly guest_modules=(xen-netfront xen-blkfront ext4)

lab_build() {
  local force=0
  case ${1:-} in
    '') ;;
    --force) force=1 ;;
    *) die "build takes --force or nothing" ;;
  esac

  mkdir -p "$lab_home"
  (
    if ! flock -n 8; then
      say "another build is running; waiting for it"
      flock 8
    fi
    build_unless_current "$force"
  ) 8>"$lab_home/build.lock"
}

build_unless_current() {
  local force=$1 inputs
  require_packages "${host_packages[@]}"
  find_dotnet
  find_pwsh
  plan_packages
  inputs=$(image_inputs | sha256sum | cut -d' ' -f1)
  if ((!force)) && [[ -e $image_dir/inputs && $(<"$image_dir/inputs") == "$inputs" ]]; then
    say "the image is up to date: $image_dir"
    return
  fi
  ((EUID == 0)) || die "the image must be built by root (it holds files of root)"

  say "building the dom0 image in $lab_home: about a minute, more if ${#package_files[@]} packages have to be downloaded"
  local started=$SECONDS work=$lab_home/work
  trap 'warn "the build did not finish"' EXIT
  rm -rf "$work"
  mkdir -p "$work/root" "$work/image"
  fetch_packages
  unpack_packages "$work/root"
  unpack_kernel "$work/kernel" "$work/image"
  configure_root "$work/root"
  add_modules "$work/kernel" "$work/root"
  add_guests "$work/kernel" "$work/root"
  add_dotnet "$work/root"
  add_pwsh "$work/root"
  add_keys "$work/root"
  make_ramdisk "$work/kernel" "$work/root" "$work/image/initrd.gz"
  make_disk "$work/root" "$work/image/root.ext4"

  # A lab that runs keeps its old image: QEMU has the files open.
  printf '%s\n' "$inputs" >"$work/image/inputs"
  rm -rf "$image_dir"
  mv "$work/image" "$image_dir"
  rm -rf "$work"
  trap - EXIT
  say "built $image_dir in $((SECONDS - started)) s ($(du -sh "$image_dir" | cut -f1))"
}

# --- what goes into it ---

# Sets dotnet_root and dotnet_version: the newest runtime of this machine.
find_dotnet() {
  local line
  command -v dotnet >/dev/null || die "dotnet is not on the PATH; the .NET SDK or runtime of this machine is copied into dom0"
  line=$(dotnet --list-runtimes | grep '^Microsoft\.NETCore\.App ' | sort -V -k2 | tail -n 1)
  [[ $line =~ ^[^\ ]+\ ([^\ ]+)\ \[(.+)/shared/Microsoft\.NETCore\.App\]$ ]] || die "cannot read the output of dotnet --list-runtimes: '$line'"
  dotnet_version=${BASH_REMATCH[1]} dotnet_root=${BASH_REMATCH[2]}
}

# Sets pwsh_root, where the PowerShell of the tests lives on this machine, and pester_root, where its Pester does. Without Pester, or without both, they are empty.
# PowerShell is asked, because what is on the PATH need not lead to it (a tool of .NET does not). Not with the lock: what dotnet leaves running would keep it.
find_pwsh() {
  local pwsh answer=()
  pwsh_root='' pester_root=''
  pwsh=$("$lab_source/../Shell/find.sh" 8>&-) || pwsh=$(command -v pwsh) || return 0
  # shellcheck disable=SC2016 # PowerShell's variables
  mapfile -t answer < <("$pwsh" -NoProfile -NonInteractive -Command '$PSHOME; (Get-Module -ListAvailable Pester | Sort-Object Version | Select-Object -Last 1).ModuleBase' 8>&-)
  [[ -e ${answer[0]-}/pwsh.dll ]] || die "$pwsh does not tell where PowerShell is, but '${answer[*]}'"
  pwsh_root=${answer[0]} pester_root=${answer[1]-}
}

# Sets package_files, the names of the .deb files, and kernel_package.
plan_packages() {
  mkdir -p "$lab_home"/packages/{partial,none/partial}
  : >"$lab_home/packages/status"
  local uris
  kernel_package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-[0-9]/ { print $2 }')
  [[ $kernel_package ]] || die "apt knows no linux-image-amd64; run apt-get update as root"
  if ! uris=$(apt_plan install "${dom0_packages[@]}" && apt_plan download "$kernel_package" "${plain_packages[@]}"); then
    die "apt cannot resolve dom0's packages; run apt-get update as root, and see that bookworm is among the sources"
  fi
  mapfile -t package_files < <(awk '{ print $2 }' <<<"$uris")
}

# apt against an empty machine: nothing counts as installed, and nothing gets installed.
apt_empty() {
  local store=$lab_home/packages
  apt-get -qq -o Dir::State::status="$store/status" -o Dir::Cache::archives="$store" -o Debug::NoLocking=1 \
    -o APT::Install-Recommends=0 -o APT::Sandbox::User=root "$@"
}

# apt lists only what it would have to download: for the whole plan, the folder of downloads must be an empty one.
apt_plan() { apt_empty -o Dir::Cache::archives="$lab_home/packages/none" --print-uris "$@"; }

image_inputs() {
  printf '%s\n' "${package_files[@]}"
  printf 'dotnet %s %s\n' "$dotnet_version" "$dotnet_root"
  local folder
  for folder in "$pwsh_root" "$pester_root"; do
    [[ ! $folder ]] || find "$folder" -type f -printf '%P %s %T@\n' | sort
  done
  (cd "$lab_source" && find lib/common.sh lib/image.sh dom0 guest -type f | sort | xargs sha256sum)
}

fetch_packages() {
  say "downloading packages"
  apt_empty -y --download-only install "${dom0_packages[@]}" || die "apt-get could not download dom0's packages"
  (cd "$lab_home/packages" && apt_empty download "$kernel_package" "${plain_packages[@]}") \
    || die "apt-get could not download the kernel and Xen"
}

# package_file NAME: the path of a downloaded package of the plan.
package_file() {
  local file
  for file in "${package_files[@]}"; do
    if [[ $file == "$1"_* ]]; then
      printf '%s/packages/%s' "$lab_home" "$file"
      return
    fi
  done
  die "package $1 is not in the plan"
}

unpack() { dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2" "${@:3}"; }

unpack_packages() {
  local root=$1 file directory
  say "unpacking ${#package_files[@]} packages"
  # Debian's packages expect /bin and its like to be links already.
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
  for directory in bin sbin lib lib64; do
    ln -s "usr/$directory" "$root/$directory"
  done
  for file in "${package_files[@]}"; do
    case ${file%%_*} in
      "$kernel_package" | xen-hypervisor-*) continue ;;
    esac
    unpack "$lab_home/packages/$file" "$root" --exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*'
  done
}

# The hypervisor and the kernel, both decompressed: under emulation that saves many seconds of each boot.
unpack_kernel() {
  local kernel=$1 image=$2
  mkdir -p "$kernel"
  unpack "$(package_file "xen-hypervisor-$xen_version-amd64")" "$kernel"
  gzip -dc "$kernel/boot/xen-$xen_version-amd64.gz" >"$image/xen"
  unpack "$(package_file "$kernel_package")" "$kernel"
  kernel_version=${kernel_package#linux-image-}
  cp "$kernel/boot/vmlinuz-$kernel_version" "$kernel/vmlinuz"
  extract_vmlinux "$kernel/vmlinuz" "$kernel/vmlinux"
  cp "$kernel/vmlinux" "$image/vmlinux"
  depmod -b "$kernel" "$kernel_version"
}

# extract_vmlinux BZIMAGE ELF: the compressed kernel is an xz stream somewhere in the file, and what follows it
# is not xz; so every place that looks like the start of a stream is tried until one gives an ELF file.
extract_vmlinux() {
  local offset
  while IFS=: read -r offset _; do
    tail -c "+$((offset + 1))" "$1" | xz --single-stream -dcq >"$2" 2>/dev/null || true
    [[ $(head -c 4 "$2" | tr -d '\0') == $'\x7fELF' ]] && return
  done < <(LC_ALL=C grep -obUaP '\xfd7zXZ\x00' "$1")
  die "found no kernel compressed with xz in $1"
}

# --- dom0 ---

# What the packages' scripts would have done, as far as dom0 needs it.
configure_root() {
  local root=$1 applet
  # Some packages bring folders in /var/run and /var/lock, which are links on a real system.
  rm -rf "$root"/var/{run,lock}
  ln -s /run "$root/var/run"
  ln -s /run/lock "$root/var/lock"
  mkdir -p "$root"/{dev,proc,sys,run,tmp,host,lightvm,root/.ssh,opt/lab/bin} "$root"/var/{log/xen/console,lib/xen,lib/xenstored}
  chmod 1777 "$root/tmp"
  ln -sf mawk "$root/usr/bin/awk"
  cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
  cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
  echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >>"$root/etc/passwd"
  sed -i 's|^\(root:.*\):[^:]*$|\1:/bin/bash|' "$root/etc/passwd"
  cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc/nsswitch.conf"
  printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
  ldconfig -r "$root"

  # Static and one file for all: under emulation much quicker to start than the dynamic programs.
  cp "$root/bin/busybox" "$root/opt/lab/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do
    [[ $applet == busybox ]] || ln -s busybox "$root/opt/lab/bin/$applet"
  done
  ln -sf /opt/lab/bin/init "$root/sbin/init"
  for applet in poweroff halt reboot; do
    ln -sf "/opt/lab/bin/$applet" "$root/sbin/$applet"
  done

  # With an id, systemd does not take the machine for a new one and start all that could be.
  echo 6c696768747669727475616c6d616368 >"$root/etc/machine-id"
  install -D -m 644 -t "$root/etc/systemd/system" "$lab_source"/dom0/systemd/*.service
  install -D -m 644 "$lab_source/dom0/systemd/ssh.conf" "$root/etc/systemd/system/ssh.service.d/lab.conf"
  mkdir "$root/etc/systemd/system/multi-user.target.wants"
  ln -s ../lab.service /lib/systemd/system/ssh.service "$root/etc/systemd/system/multi-user.target.wants/"
  for applet in serial-getty@hvc0 getty-static; do ln -s /dev/null "$root/etc/systemd/system/$applet.service"; done

  install -m 755 "$lab_source/dom0/start.sh" "$root/opt/lab/start"
  install -m 644 "$lab_source/dom0/inittab" "$root/etc/inittab"
  install -m 644 "$lab_source/dom0/sshd_config" "$root/etc/ssh/sshd_config"
  install -m 644 "$lab_source/dom0/bashrc" "$root/root/.bashrc"
  echo ". ~/.bashrc" >"$root/root/.bash_profile"

  # LightVM itself comes by `lab.sh install`.
  mkdir -p "$root/usr/local/bin" "$root/usr/local/share/powershell/Modules"
  ln -s /lightvm/bin/lightvm "$root/usr/local/bin/lightvm"
  ln -s /lightvm/module/LightVM "$root/usr/local/share/powershell/Modules/LightVM"
}

# add_modules KERNEL ROOT: the few kernel modules of dom0, in a tree that modprobe understands, and the order to
# load them in (insmod in a known order is quicker than modprobe).
add_modules() {
  local kernel=$1 root=$2 path
  while read -r path; do
    install_module "$kernel" "$path" "$root"
  done < <(module_paths "$kernel" "${dom0_modules[@]}" "${more_modules[@]}")
  cp "$kernel/lib/modules/$kernel_version"/modules.{builtin,builtin.modinfo,order} "$root/lib/modules/$kernel_version/"
  depmod -b "$root" "$kernel_version"
  module_paths "$kernel" "${dom0_modules[@]}" >"$root/opt/lab/modules"
  # The ramdisk has loaded these.
  grep -vxF -f <(module_paths "$kernel" "${root_modules[@]}") "$root/opt/lab/modules" >"$root/opt/lab/modules.new"
  mv "$root/opt/lab/modules.new" "$root/opt/lab/modules"
}

# module_paths KERNEL MODULE...: the files of the modules and of what they depend on, in load order. The plain crc32c
# does for ext4, and comes without the self-test of the fast one.
module_paths() {
  local kernel=$1 module
  shift
  for module in "$@"; do
    modprobe -C /dev/null -d "$kernel" -S "$kernel_version" --show-depends "$module"
  done | awk -v prefix="insmod $kernel" 'index($0, prefix) == 1 {
    path = substr($0, length(prefix) + 1)
    sub(/\.ko .*$/, ".ko", path)
    if (path !~ /crc32c-intel/ && !seen[path]++) print path
  }'
}

# Without debug data, and so without the signature, whose check takes long under emulation.
install_module() {
  mkdir -p "$3$(dirname "$2")"
  objcopy --strip-debug --remove-section .BTF "$1$2" "$3$2"
}

add_dotnet() {
  local root=$1 target=$1/usr/share/dotnet
  say "adding .NET $dotnet_version"
  mkdir -p "$target"/{host/fxr,shared/Microsoft.NETCore.App} "$root/etc/dotnet"
  cp "$dotnet_root/dotnet" "$target/"
  cp -r "$dotnet_root/host/fxr/$dotnet_version" "$target/host/fxr/"
  cp -r "$dotnet_root/shared/Microsoft.NETCore.App/$dotnet_version" "$target/shared/Microsoft.NETCore.App/"
  ln -s /usr/share/dotnet/dotnet "$root/usr/bin/dotnet"
  echo /usr/share/dotnet >"$root/etc/dotnet/install_location"
}

# PowerShell without what other systems and processors need of it, a sixth, and with one Pester, among its own modules.
add_pwsh() {
  local root=$1 target=$1/opt/microsoft/powershell/7
  if [[ ! $pwsh_root ]]; then
    warn "there is no pwsh, so dom0 has none"
    return
  fi
  say "adding PowerShell from $pwsh_root"
  mkdir -p "$target"
  cp -rL "$pwsh_root/." "$target/"
  [[ ! -d $target/runtimes ]] || find "$target/runtimes" -mindepth 1 -maxdepth 1 -not -name linux -not -name linux-x64 -not -name unix -exec rm -r {} +
  if [[ $pester_root ]]; then
    rm -rf "$target/Modules/Pester"
    cp -rL "$pester_root" "$target/Modules/Pester"
  fi
  chmod 755 "$target/pwsh"
  ln -s /opt/microsoft/powershell/7/pwsh "$root/usr/local/bin/pwsh"
}

# One key pair of the user and one of dom0 for all labs, made once: a lab that runs stays reachable when the image
# is built anew. dom0 holds the user's key too, so that one lab can reach another (`xl migrate`).
add_keys() {
  local root=$1 key
  mkdir -p "$key_dir"
  for key in user dom0; do
    [[ -e $key_dir/$key ]] || ssh-keygen -q -t ed25519 -N '' -C lightvm-lab -f "$key_dir/$key"
  done
  printf 'lightvm-lab %s\n' "$(<"$key_dir/dom0.pub")" >"$key_dir/known_hosts"

  install -m 600 "$key_dir/dom0" "$root/etc/ssh/ssh_host_ed25519_key"
  install -m 644 "$key_dir/dom0.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"
  install -m 600 "$key_dir/user" "$root/root/.ssh/id_ed25519"
  install -m 600 "$key_dir/user.pub" "$root/root/.ssh/authorized_keys"
  printf 'Host *\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n' >"$root/root/.ssh/config"
  chmod 700 "$root/root" "$root/root/.ssh"
}

# --- guests, in /guests of dom0 ---

add_guests() {
  local kernel=$1 root=$2 ramdisk=$1/guest program path
  mkdir -p "$root/guests" "$ramdisk"/{bin,sbin,proc,sys,dev}
  ln "$kernel/vmlinux" "$kernel/vmlinuz" "$root/guests/"
  cp "$root"/usr/lib/grub-xen/grub-{x86_64-xen,i386-xen_pvh}.bin "$root/guests/"
  install -m 644 "$lab_source"/guest/*.cfg "$root/guests/"

  install -m 755 "$root/bin/busybox" "$ramdisk/bin/busybox"
  install -m 755 "$lab_source/guest/init.sh" "$ramdisk/init"
  # The kernel answers control/shutdown by calling these.
  for program in poweroff halt reboot; do
    printf '#!/bin/busybox sh\nexec /bin/busybox %s -f\n' "$program" >"$ramdisk/sbin/$program"
    chmod 755 "$ramdisk/sbin/$program"
  done
  # The kernel asks it for drivers.
  ln -s ../bin/busybox "$ramdisk/sbin/modprobe"
  while read -r path; do
    install_module "$kernel" "$path" "$ramdisk"
  done < <(module_paths "$kernel" "${guest_modules[@]}")
  depmod -b "$ramdisk" "$kernel_version" 2>/dev/null
  pack_ramdisk "$ramdisk" "$root/guests/initrd.gz"
}

# --- the files that QEMU gets ---

make_ramdisk() {
  local kernel=$1 root=$2 target=$3 ramdisk=$1/ramdisk path
  mkdir -p "$ramdisk"/{bin,dev,proc,sys,root,modules}
  install -m 755 "$root/bin/busybox" "$ramdisk/bin/busybox"
  install -m 755 "$lab_source/dom0/ramdisk-init.sh" "$ramdisk/init"
  while read -r path; do
    objcopy --strip-debug --remove-section .BTF "$kernel$path" "$ramdisk/modules/$(basename "$path")"
    basename "$path" >>"$ramdisk/modules/order"
  done < <(module_paths "$kernel" "${root_modules[@]}")
  pack_ramdisk "$ramdisk" "$target"
}

pack_ramdisk() {
  (cd "$1" && find . | cpio -o -H newc --quiet | gzip -9) >"$2"
}

make_disk() {
  local root=$1 target=$2 used
  used=$(du -sm "$root" | cut -f1)
  say "making the disk: $used MiB of files"
  # The file is sparse: the free space costs nothing. Without a journal, as no lab's disk outlives the lab.
  mkfs.ext4 -q -F -L dom0 -O '^has_journal,^metadata_csum' -m 0 -d "$root" "$target" "$((used + used / 4 + 4096))M" >&2
}
