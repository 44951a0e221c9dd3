#!/usr/bin/env bash
# moves.sh [ROUNDS [PART...]]: domains move between two labs on one wire. After each move exactly one guest is alive. Needs an installed build (artifacts/);
# starts and stops the labs. The last line counts the tests. ROUNDS is how often they go there and back (2 when not said), a PART one of these; those over
# each transport may be told a kind of guest and a transport: work:pvh:tls
#   idle        guests that do nothing, over each transport
#   cmdlets     the same by Move-LvmDomain, and by its jobs
#   storeless   guests without a store that serve and that write to a disk of both hosts, over each transport
#   work        Linux guests that count, write, and ping, over each transport
#   memory      the target has none, or loses it
#   crashes     either side is killed at each step
#   units       to where systemd runs the receiver
set -euo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
lab=$here/lab.sh
artifacts=${LIGHTVM_ARTIFACTS:-$here/../../artifacts}
rounds=${1:-2}
shift $(($# > 0))
parts=("$@")
(($#)) || parts=(idle cmdlets storeless work memory crashes units)
# shellcheck source=lib/pair.sh
source "$here/lib/pair.sh"
passed=0 failed=0

main() {
  trap stop_pair EXIT
  start_pair
  for name in $west $east; do
    make_guests "$name"
    serve "$name"
  done

  local part kind transport
  for part in "${parts[@]}"; do
    IFS=: read -r part kind transport <<<"$part"
    read -ra kinds <<<"${kind:-pv pvh}"
    read -ra transports <<<"${transport:-plain tls ssh}"
    "part_$part"
  done
  printf 'moves: %d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0))
}

part_idle() { each go_back_and_forth; }

part_storeless() {
  each serves_without_store
  each writes_without_store
}

part_work() { each work_goes_on; }

part_crashes() {
  local point
  for point in $(on "$west" 'lightvm receive --list-crash-points'); do die_at "$point"; done
}

# each TEST: it, with KIND and TRANSPORT
each() {
  local kind transport
  for transport in "${transports[@]}"; do
    for kind in "${kinds[@]}"; do "$1" "$kind" "$transport"; done
  done
}

make_guests() {
  on "$1" 'for kind in pv pvh; do
      pvh=false; [ $kind = pvh ] && pvh=true
      printf "{ \"name\": \"%s\", \"kernel\": \"/lightvm/guests/tiny.elf\", \"memory\": 4, \"vcpus\": 1, \"xen\": { \"pvh\": %s } }" $kind $pvh >/tmp/$kind.json
      printf "{ \"name\": \"clock-%s\", \"kernel\": \"/lightvm/guests/daytime.elf\", \"memory\": 4, \"vcpus\": 1, \"xen\": { \"pvh\": %s, \"dev_method\": \"noxs\" },
        \"cmdline\": \"ip=192.168.77.10/24\", \"vifs\": [ { \"bridge\": \"xenbr0\" } ] }" $kind $pvh >/tmp/clock-$kind.json
      printf "{ \"name\": \"counter-%s\", \"kernel\": \"/lightvm/guests/disk.elf\", \"memory\": 4, \"vcpus\": 1, \"xen\": { \"pvh\": %s, \"dev_method\": \"noxs\" },
        \"cmdline\": \"do=count every=5\", \"vbds\": [ { \"target\": \"/dev/vdb\", \"type\": \"phy\", \"vdev\": \"xvda\", \"access\": \"w\" } ] }" $kind $pvh >/tmp/counter-$kind.json
      printf "{ \"name\": \"linux-%s\", \"kernel\": \"/guests/vmlinux\", \"ramdisk\": \"/guests/initrd.gz\", \"memory\": 160, \"vcpus\": 1, \"xen\": { \"pvh\": %s },
        \"cmdline\": \"console=hvc0 quiet lab.net=192.168.77.10 lab.count lab.ping=192.168.77.1 lab.churn=xvda\", \"vifs\": [ { \"bridge\": \"xenbr0\" } ],
        \"vbds\": [ { \"target\": \"/dev/vdb\", \"type\": \"phy\", \"vdev\": \"xvda\", \"access\": \"w\" } ] }" $kind $pvh >/tmp/linux-$kind.json
    done'
}

# target TRANSPORT ADDRESS: words for lightvm migrate
target() {
  case $1 in
    plain) echo "plain://$2:$plain_port --insecure" ;;
    *) echo "$1://$2" ;;
  esac
}

go_back_and_forth() {
  local round
  on "$west" "lightvm create -q /tmp/$1.json"
  for ((round = 0; round < rounds; round++)); do
    on "$west" "lightvm migrate $1 $(target "$2" "$east_address")" >&2 || true
    on "$east" "lightvm migrate $1 $(target "$2" "$west_address")" >&2 || true
  done
  expect "$1 moves back and forth over $2" "$1" 1 0
  on "$west" "lightvm destroy -q $1"
}

# part_cmdlets: the same as a user of PowerShell does it, there by the pipeline, and back by jobs
part_cmdlets() {
  local transport name
  for name in $west $east; do "$lab" copy "$name" "$here/move.ps1" /tmp/; done
  on "$west" "pwsh -NoProfile -File /tmp/move.ps1 -ComputerName $east_address -PlainPort $plain_port -New" >&2 || true
  for transport in tls ssh plain; do expect "Move-LvmDomain moves it over $transport" moved-$transport 0 1; done
  on "$east" "pwsh -NoProfile -File /tmp/move.ps1 -ComputerName $west_address -PlainPort $plain_port" >&2 || true
  for transport in tls ssh plain; do
    expect "a job of Move-LvmDomain moves it back over $transport" moved-$transport 1 0
    on "$west" "lightvm destroy -q moved-$transport"
  done
}

# serve_without_store: the noxs daemon runs on both sides
serve_without_store() {
  local name
  for name in $west $east; do
    on "$name" "pgrep -x -f 'lightvm noxsd.*' >/dev/null || { setsid lightvm noxsd --log-file /var/log/noxsd.log >/dev/null 2>&1 </dev/null & }; until [ -c /dev/xen/noxs_backend ]; do sleep 0.2; done"
  done
}

# end_without_store RIGHT TEXT GUEST: how it went
end_without_store() {
  local name
  if (($1)); then expect "$2" "$3" 1 0; else
    printf 'moves: FAILED: %s\n' "$2"
    failed=$((failed + 1))
    for name in $west $east; do on "$name" 'lightvm list; tail -n 5 /var/log/receive.log /var/log/noxsd.log' || true; done
  fi
  for name in $west $east; do on "$name" "lightvm destroy -q $3 2>/dev/null; true"; done
}

# serves_without_store KIND TRANSPORT: a guest whose devices come from a page tells the time wherever it is
serves_without_store() {
  local round right=1
  serve_without_store
  on "$west" "lightvm create -q /tmp/clock-$1.json"
  for ((round = 0; round < rounds; round++)); do
    tells_time "$west" || right=0
    on "$west" "lightvm migrate clock-$1 $(target "$2" "$east_address")" >&2 || right=0
    tells_time "$east" || right=0
    on "$east" "lightvm migrate clock-$1 $(target "$2" "$west_address")" >&2 || right=0
  done
  tells_time "$west" || right=0
  end_without_store "$right" "$1 without a store serves, and moves back and forth over $2" clock-$1
}

# writes_without_store KIND TRANSPORT: a guest whose devices come from a page writes to a disk that both hosts have and reads it back, wherever it is
writes_without_store() {
  local round right=1
  serve_without_store
  on "$west" "lightvm create -q /tmp/counter-$1.json"
  for ((round = 0; round < rounds; round++)); do
    counts "$west" "$1" || right=0
    on "$west" "lightvm migrate counter-$1 $(target "$2" "$east_address")" >&2 || right=0
    counts "$east" "$1" || right=0
    on "$east" "lightvm migrate counter-$1 $(target "$2" "$west_address")" >&2 || right=0
  done
  counts "$west" "$1" || right=0
  end_without_store "$right" "$1 without a store writes to a shared disk, and moves back and forth over $2" counter-$1
}

# counts LAB KIND: the guest goes on counting there, and has read nothing that it had not written
counts() {
  on "$1" "before=; for i in \$(seq 1 60); do
      said=\$(timeout 2 lightvm console --log counter-$2 </dev/null 2>/dev/null); case \$said in *wrong*) exit 1 ;; esac
      [ \"\$before\" ] && [ \"\$said\" != \"\$before\" ] && exit 0; before=\$said; sleep 0.5; done; exit 1"
}

# tells_time LAB: the guest does, to the dom0 of this lab
tells_time() { on "$1" "for i in \$(seq 1 40); do timeout 5 bash -c 'cat </dev/tcp/192.168.77.10/13' 2>/dev/null | grep -q UTC && exit 0; sleep 0.5; done; exit 1"; }

# work_goes_on KIND TRANSPORT: a Linux guest that counts in its memory, writes to a disk that both hosts have, and pings its dom0,
# whose address is the same on both sides
work_goes_on() {
  local round line guest=linux-$1
  line=$(begin_work "$guest")
  for ((round = 0; round < rounds && ${#line}; round++)); do
    on "$west" "lightvm migrate $guest $(target "$2" "$east_address")" >&2 || line=''
    on "$east" "lightvm migrate $guest $(target "$2" "$west_address")" >&2 || line=''
  done
  local word
  for word in counted churned pinged; do on "$west" "lightvm console --send 'lab $word' $guest" || true; done
  if [[ $line && $(says "$guest" '[0-9]* counted') == *', 0 missing'* && $(says "$guest" 'xvda: [0-9]* written') == *', 0 damaged'* ]]; then
    printf 'moves: passed: %s at work over %s (%s; %s; %s)\n' "$guest" "$2" "$(says "$guest" '[0-9]* counted')" "$(says "$guest" 'xvda: [0-9]* written')" "$(says "$guest" '[0-9]* pings, [0-9]* lost')"
    passed=$((passed + 1))
  else
    printf 'moves: FAILED: %s at work over %s\n' "$guest" "$2"
    failed=$((failed + 1))
    on "$west" "lightvm list; tail -20 /var/log/xen/console/guest-$guest.log" || true
    on "$east" "lightvm list; tail -20 /var/log/xen/console/guest-$guest.log" || true
  fi
  for name in $west $east; do on "$name" "lightvm destroy -q $guest 2>/dev/null; true"; done
}

# begin_work GUEST: a Linux guest in the west, and what it says when it is at work; nothing when it does not in time
begin_work() {
  local name
  for name in $west $east; do on "$name" "rm -f /var/log/xen/console/guest-$1.log"; done # an earlier guest's words are not what this one says
  on "$west" "lightvm create -q /tmp/$1.json" >&2
  says "$1" 'xvda churns'
}

# says GUEST PATTERN: the last of what a Linux guest in the west says like that; nothing when it does not in time
says() {
  on "$west" "for look in \$(seq 120); do grep -o 'guest: $2.*' /var/log/xen/console/guest-$1.log | tail -1 | grep . && exit; sleep 1; done; true"
}

# part_memory: the target has none left, before the move and while it goes on
part_memory() {
  begin_work linux-pvh >&2
  fill_memory
  on "$west" "lightvm migrate linux-pvh tls://$east_address" >&2 && echo 'moves: the move was not refused' >&2
  expect 'the target has no memory' linux-pvh 1 0
  on "$east" 'lightvm destroy -q filler'
  on "$west" "lightvm migrate --bandwidth 4 linux-pvh tls://$east_address" >&2 &
  local mover=$!
  until on "$east" 'lightvm list' | grep -q '^ *[^ ]* *[1-9]'; do sleep 1; done
  fill_memory
  wait "$mover" || true
  expect "the target's memory goes while the domain comes" linux-pvh any any
  on "$east" 'lightvm destroy -q filler 2>/dev/null; lightvm destroy -q linux-pvh 2>/dev/null; true'
  on "$west" 'lightvm destroy -q linux-pvh 2>/dev/null; true'
}

# fill_memory: a domain in the east that has all but 24 MiB of what is free
fill_memory() {
  on "$east" 'free=$(lightvm info --json | grep -oE "\"freeMemoryKiB\":[0-9]+" | cut -d: -f2)
    printf "{ \"name\": \"filler\", \"kernel\": \"/lightvm/guests/tiny.elf\", \"memory\": %d, \"vcpus\": 1, \"paused\": true }" $((free / 1024 - 24)) >/tmp/filler.json
    lightvm create -q /tmp/filler.json' >&2 || true
}

# die_at CRASH-POINT: one side is killed there; what is left finds its way by itself
die_at() {
  on "$west" 'lightvm create -q /tmp/pv.json'
  local move
  move="lightvm migrate pv $(target plain "$east_address")"
  case $1 in
    move-source-*) on "$west" "LIGHTVM_CRASH_AT=$1 $move" >&2 || true ;;
    *)
      serve "$east" "$1"
      on "$west" "$move" >&2 &
      local mover=$!
      until ! on "$east" 'pgrep -x -f "lightvm receive.*" >/dev/null'; do sleep 1; done
      serve "$east"
      wait "$mover" || true
      ;;
  esac
  expect "killed at $1" pv any any
  for name in $west $east; do on "$name" 'lightvm destroy -q pv 2>/dev/null; true'; done
}

# part_units: in the east systemd runs the daemons, by the units that come along, in what these leave them of the machine
part_units() {
  "$lab" stop "$east" >&2
  start_one "$east" "$east_address" --init systemd >&2
  on "$west" "lightvm trust remove $east_address"
  introduce
  on "$east" 'kill -9 $(cat /run/lightvm/devd.pid); install -D -t /usr/local/lib/lightvm /lightvm/bin/lightvm /lightvm/bin/liblightvm-xen.so
    install -m 644 -t /etc/systemd/system /lightvm/lab/packaging/systemd/*.service; systemctl daemon-reload
    systemctl start lightvm-devd lightvm-noxsd lightvm-receive'
  for kind in pv pvh; do move_to_unit "$kind"; done
  on "$east" 'systemctl kill -s KILL lightvm-receive; until [ "$(systemctl is-active lightvm-receive)" = active ]; do sleep 1; done'
  serves_without_store pvh tls
  writes_without_store pv tls
  work_goes_on pvh tls
}

# move_to_unit KIND
move_to_unit() {
  on "$west" "lightvm create -q /tmp/$1.json; lightvm migrate $1 tls://$east_address" >&2 || true
  expect "$1 moves to where systemd runs the receiver" "$1" 0 1
  on "$east" "lightvm destroy -q $1"
}

# expect TEST GUEST WEST EAST: how many of them are alive where, "any" for one of both; there is time for daemons to find out
expect() {
  local look alive_west alive_east all
  for look in {1..30}; do
    alive_west=$(alive "$west" "$2") alive_east=$(alive "$east" "$2")
    all=$(($(count "$west" "$2") + $(count "$east" "$2")))
    if ((alive_west + alive_east == 1 && all == 1)) && [[ $3 == any || "$alive_west $alive_east" == "$3 $4" ]]; then
      printf 'moves: passed: %s (look %d)\n' "$1" "$look"
      passed=$((passed + 1))
      return
    fi
    sleep 3
  done
  printf 'moves: FAILED: %s: %d of %d alive in the west, %d in the east\n' "$1" "$alive_west" "$all" "$alive_east"
  failed=$((failed + 1))
  for name in $west $east; do on "$name" 'lightvm list; tail -5 /var/log/receive.log /var/log/devd.log' || true; done
}

# alive LAB GUEST, count LAB GUEST: those that run, and those that are there at all
alive() { on "$1" "lightvm list --json" | grep -oE '"name":"'"$2"'"[^}]*"state":"(Blocked|Running|Runnable)"' | grep -c . || true; }
count() { on "$1" "lightvm list --json" | grep -oE '"name":"'"$2"'"' | grep -c . || true; }

main
