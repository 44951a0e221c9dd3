# shellcheck shell=bash
# Two labs on one wire, which know each other's keys and take each other's domains. Wants $lab (lab.sh) and $artifacts (an installed build).

readonly west=west east=east west_address=10.9.0.1 east_address=10.9.0.2 plain_port=9000

# on LAB COMMAND: in its dom0
on() { "$lab" run "$1" --timeout 180 -- "$2" </dev/null; }

# start_pair: both labs, each with its device daemon, and with a disk that both have (/dev/vdb)
start_pair() {
  "$lab" build
  shared_disk=$(mktemp -t lightvm-shared-XXXXXX)
  truncate -s 32M "$shared_disk"
  start_one "$west" "$west_address"
  start_one "$east" "$east_address"
  introduce
}

# introduce: each gets a key if it has none, and the other's
introduce() {
  for name in $west $east; do on "$name" 'lightvm trust show >/dev/null 2>&1 || lightvm trust init >/dev/null'; done
  on "$west" 'lightvm trust show' | "$lab" run "$east" -- "lightvm trust add $west_address -"
  on "$east" 'lightvm trust show' | "$lab" run "$west" -- "lightvm trust add $east_address -"
}

stop_pair() {
  for name in $west $east; do "$lab" stop "$name" >/dev/null 2>&1; done
  rm -f "${shared_disk-}"
}

# start_one NAME ADDRESS [OPTION...]
start_one() {
  "$lab" start "$1" --cpus 1 --memory 2048 --dom0-memory 1024 --lan "$2/24" --disk "$shared_disk" "${@:3}"
  "$lab" install "$1" "$artifacts"
  on "$1" 'setsid lightvm devd --log-file /var/log/devd.log >/dev/null 2>&1 </dev/null &'
}

# serve LAB [CRASH-POINT]: one receiver for all transports, in the place of one that may be there
serve() {
  on "$1" "pkill -9 -x -f 'lightvm receive.*'; sleep 0.3
    LIGHTVM_CRASH_AT=${2-} setsid lightvm receive --plain $plain_port --insecure --log-file /var/log/receive.log >/dev/null 2>&1 </dev/null &
    sleep 2"
}
