# shellcheck shell=bash
# What every part of the lab uses: where things are, how to speak to the user, what must be installed.

# The version of Xen that Debian 12 has. Debian puts the tools of each version into a directory of its own.
readonly xen_version=4.17

readonly lab_home=${LIGHTVM_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/lightvm/lab}
readonly image_dir=$lab_home/image
readonly key_dir=$lab_home/keys
readonly default_name=${LIGHTVM_LAB_NAME:-lab}

say() { printf 'lab: %s\n' "$*" >&2; }
warn() { printf 'lab: warning: %s\n' "$*" >&2; }

# die MESSAGE [EXIT_CODE]. The default code is one that a command in dom0 rarely has, so that a caller of
# `lab.sh run` can tell "the lab failed" from "the command failed".
die() {
  printf 'lab: error: %s\n' "$1" >&2
  exit "${2:-125}"
}

# require_packages PACKAGE...: installs with apt what is not there.
require_packages() {
  local package missing=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local advice="run as root: apt-get update && apt-get install ${missing[*]}"
  command -v apt-get >/dev/null || die "these Debian packages are needed and apt-get is not here: ${missing[*]}"
  ((EUID == 0)) || die "these Debian packages are needed: ${missing[*]}; $advice"
  say "installing ${missing[*]}"
  if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends "${missing[@]}"; } >&2; then
    die "apt-get could not install ${missing[*]}; see its messages above, then $advice"
  fi
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) == ii* ]]
}

# take_name "$@": the first argument when it is the name of a lab rather than an option.
# Sets `name`, and `named` to the number of arguments that it took.
take_name() {
  name=$default_name named=0
  if [[ ${1:-} && $1 != -* ]]; then
    name=$1 named=1
  fi
  check_name "$name"
}

check_name() {
  [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$ ]] || die "'$1' cannot be the name of a lab: up to 31 letters, digits, - and _"
}

lab_dir() { printf '%s/labs/%s' "$lab_home" "$1"; }
