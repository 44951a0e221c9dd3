# shellcheck shell=bash
# The way into a running dom0: one ssh connection for each lab, kept open, over which commands, files and shells go.
# A first connection takes about a second under emulation; a command over the open one a fraction of that.

# write_ssh_config DIRECTORY PORT: with it, plain ssh, scp and sftp reach the lab as well (ssh -F .../ssh_config lab).
write_ssh_config() {
  cat >"$1/ssh_config" <<CONFIG
Host lab
  HostName 127.0.0.1
  Port $2
  User root
  IdentityFile "$key_dir/user"
  IdentitiesOnly yes
  BatchMode yes
  HostKeyAlias lightvm-lab
  UserKnownHostsFile "$key_dir/known_hosts"
  StrictHostKeyChecking yes
  ControlPath "$1/ssh.sock"
  ConnectTimeout 20
  LogLevel ERROR
  # A dom0 that is busy with a thousand guests may be silent for long; a dead one must not block for ever.
  ServerAliveInterval 30
  ServerAliveCountMax 6
CONFIG
}

# lab_ssh NAME ARGUMENT...
lab_ssh() {
  ssh -F "$(lab_dir "$1")/ssh_config" "${@:2}"
}

is_connected() { lab_ssh "$1" -O check lab 2>/dev/null; }

# connect NAME: opens the connection unless it is open.
connect() {
  local directory
  directory=$(lab_dir "$1")
  is_connected "$1" && return 0
  (
    flock 7
    is_connected "$1" && exit 0
    rm -f "$directory/ssh.sock"
    # It stays in the background: it must not hold the caller's streams or locks open.
    lab_ssh "$1" -M -f -N lab </dev/null >/dev/null 2>"$directory/ssh.log" 7>&- 8>&- 9>&-
  ) 7>"$directory/connect.lock"
}

disconnect() {
  [[ ! -S $(lab_dir "$1")/ssh.sock ]] || lab_ssh "$1" -O exit lab 2>/dev/null || true
}

# need_connection NAME
need_connection() {
  need_running "$1"
  connect "$1" || die "$1 runs but does not answer; see lab.sh console $1"
}

lab_run() {
  local name named timeout=600 words=()
  take_name "$@"
  shift "$named"
  while (($#)); do
    case $1 in
      --timeout)
        [[ ${2:-} =~ ^[0-9]+$ ]] || die "--timeout takes seconds; 0 is none"
        timeout=$2
        shift 2
        ;;
      --)
        shift
        words=("$@")
        (($#)) || die "run: no command after --"
        break
        ;;
      *) die "run: put -- before the command" ;;
    esac
  done

  local command
  case ${#words[@]} in
    0) command='bash -s' ;;
    1) command="bash -c $(printf '%q' "${words[0]}")" ;;
    *) command=$(printf '%q ' "${words[@]}") ;;
  esac
  need_connection "$name"
  local status=0
  if ((timeout)); then
    # dom0 ends the command at the time limit. The second limit is for a dom0 that hangs.
    timeout --foreground "$((timeout + 30))" ssh -F "$(lab_dir "$name")/ssh_config" lab "timeout -k 10 $timeout $command" || status=$?
    ((status != 124)) || say "the command was ended at the time limit of $timeout s"
  else
    lab_ssh "$name" lab "$command" || status=$?
  fi
  # ssh says 255 when the connection fails, which a command can say as well.
  ((status != 255)) || is_connected "$name" || die "the connection to $name broke; see lab.sh console $name"
  return "$status"
}

lab_shell() {
  local name named
  take_name "$@"
  (($# == named)) || die "shell takes a name"
  need_connection "$name"
  lab_ssh "$name" -t lab
}

lab_copy() {
  (($# >= 3)) || die "copy takes a name, what to copy, and where to"
  local name=$1
  shift
  check_name "$name"
  need_connection "$name"
  rsync_into "$name" "${@:1:$#-1}" "lab:${!#}"
}

# lab_install [NAME] [DIR]: only what changed is sent, and what is gone goes.
lab_install() {
  local name named source=$lab_source/../../artifacts
  take_name "$@"
  shift "$named"
  (($# <= 1)) || die "install takes a name and a directory"
  source=${1:-$source}
  [[ -d $source ]] || die "there is nothing to install: no directory $source; build it first"
  need_connection "$name"
  rsync_into "$name" --delete --stats "$source/" lab:/lightvm/ \
    | awk -F': ' '/Total file size|files transferred|transferred file size/ { print "lab: " tolower($1) ": " $2 }' >&2
}

# rsync_into NAME ARGUMENT...: a lab's files are root's, whoever has built them.
rsync_into() {
  rsync -rlpt --chown=root:root -e "ssh -F '$(lab_dir "$1")/ssh_config'" "${@:2}"
}
