#!/usr/bin/env bash
# bench.sh [--others LIST] [--device-others LIST] [--image-others LIST] [--pool-others LIST] [--noxs-others LIST] [--no-moves] [--samples N] [--process-samples N] [--quick]: measures an
# installed build (artifacts/): process starts and the simulated host on this machine, everything else on its Xen if it is a dom0,
# else in the lab. `./build.sh bench` builds first. Results: artifacts/bench-results/. README.md beside this file says what the figures mean.
set -euo pipefail

tree=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
artifacts=$tree/artifacts
results=$artifacts/bench-results
lab_name=bench
others=0,100,250,500 device_others=0,200 image_others=0,100 pool_others=0,100,500,1000 noxs_others=0,100,500,1000 samples=40 process_samples=10 moves=1

main() {
  while (($#)); do
    case $1 in
      --others) others=$2 && shift ;;
      --device-others) device_others=$2 && shift ;;
      --image-others) image_others=$2 && shift ;;
      --pool-others) pool_others=$2 && shift ;;
      --noxs-others) noxs_others=$2 && shift ;;
      --no-moves) moves='' ;;
      --samples) samples=$2 && shift ;;
      --process-samples) process_samples=$2 && shift ;;
      --quick) others=0,20 device_others=0,20 image_others=0,20 pool_others=0,20 noxs_others=0,20 samples=10 process_samples=2 ;;
      *)
        sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
    esac
    shift
  done

  [[ -x $artifacts/bench/LightVM.Bench ]] || {
    echo "bench.sh: there is no build in artifacts/; run ./build.sh bench" >&2
    exit 1
  }
  cp "$artifacts/baseline-build/"{baseline,timed,traffic,joined} "$artifacts/bench/"
  rm -rf "$results"
  mkdir -p "$results"
  measure_here
  if grep -qs control_d /proc/xen/capabilities; then
    LIGHTVM_BENCH_OUTPUT=$results "$artifacts/bench/run-in-lab.sh" "$others" "$samples" "$process_samples" "$device_others" "$image_others" "$pool_others" "$noxs_others"
  else
    trap '"$tree/tests/Lab/lab.sh" stop "$lab_name" >&2' EXIT
    measure_in_lab
    [[ -z $moves ]] || measure_moves
  fi
  plot
  echo "bench.sh: samples and figures are in ${results#"$tree/"}" >&2
}

measure_here() {
  "$artifacts/bench/LightVM.Bench" simulated --output "$results"
  local arguments=(--lightvm "$artifacts/bin/lightvm" --output "$results")
  local pwsh
  if pwsh=$(command -v pwsh); then
    arguments+=(--pwsh "$pwsh" --module "$artifacts/module/LightVM")
  fi
  "$artifacts/bench/LightVM.Bench" starts "${arguments[@]}"
}

# One processor: with two, a dom0 with hundreds of guests has hung. But for pools and guests without a store: a hot start is so short that what the guest does with
# dom0's processor once it runs is a third of it. There dom0 has one to itself, as it had when LightVM was measured.
measure_in_lab() {
  "$tree/tests/Lab/lab.sh" build >&2
  [[ -z $others$device_others$image_others ]] || measure_lists "'$others' $samples $process_samples '$device_others' '$image_others' '' ''" --cpus 1
  [[ -z $pool_others$noxs_others ]] || measure_lists "'' $samples $process_samples '' '' '$pool_others' '$noxs_others'" --cpus 2 --xen-args dom0_vcpus_pin
}

# measure_lists ARGUMENTS OPTION...: run-in-lab.sh in a lab started with these options
measure_lists() {
  local arguments=$1
  shift
  "$tree/tests/Lab/lab.sh" start "$lab_name" --memory 12288 --dom0-memory 2048 "$@" >&2
  "$tree/tests/Lab/lab.sh" install "$lab_name" "$artifacts" >&2
  "$tree/tests/Lab/lab.sh" run "$lab_name" --timeout 14400 -- "LIGHTVM_BENCH_OUTPUT=/host/bench-results /lightvm/bench/run-in-lab.sh $arguments" </dev/null
  cp "$(lab_share)"/bench-results/* "$results/"
  "$tree/tests/Lab/lab.sh" stop "$lab_name" >&2
}

# Guests that move from one lab to another. On a real dom0 there is no other host that could be taken for granted:
# LightVM.Bench moves --target HOST.
measure_moves() {
  lab=$tree/tests/Lab/lab.sh
  # shellcheck source=../tests/Lab/lib/pair.sh
  source "$tree/tests/Lab/lib/pair.sh"
  trap stop_pair EXIT
  start_pair >&2
  serve "$east" >&2
  on "$east" 'DOTNET_EnableWriteXorExecute=0 setsid /lightvm/bench/LightVM.Bench bare-target >/var/log/bare-target.log 2>&1 </dev/null &'
  "$lab" run "$west" --timeout 7200 -- "DOTNET_EnableWriteXorExecute=0 /lightvm/bench/LightVM.Bench moves --target $east_address \
    --kernel /lightvm/guests/tiny.elf --baseline /lightvm/bench/baseline --output /tmp/moves --samples $((samples / 4)) \
    --process-samples $(((process_samples + 1) / 2)) --blocks 2" </dev/null
  for file in moves-samples.csv moves-figures.json; do on "$west" "cat /tmp/moves/$file" >"$results/$file"; done
}

# What creations take with more and more guests running, as pictures: from the medians of the suites pools and noxs.
plot() {
  local suite
  for suite in pools noxs; do
    [[ -e $results/$suite-medians.csv ]] || continue
    command -v gnuplot >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends gnuplot-nox; } >&2
    gnuplot -e "medians='$results/$suite-medians.csv'; picture='$results/creation-times-$suite'" "$tree/bench/creation-times.gp"
  done
}

# The folder of this machine that is /host in the lab.
lab_share() {
  echo "${LIGHTVM_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/lightvm/lab}/labs/$lab_name/share"
}

main "$@"
