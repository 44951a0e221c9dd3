#!/usr/bin/env bash
# run-in-lab.sh [OTHERS [SAMPLES [PROCESS-SAMPLES [DEVICE-OTHERS [IMAGE-OTHERS [POOL-OTHERS [NOXS-OTHERS]]]]]]]: the part of the benchmark that needs a Xen. Runs
# in dom0, in an installed build; on a real dom0 as well as in the lab. Results go to $LIGHTVM_BENCH_OUTPUT (default: ./bench-results).
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
build=$(dirname "$here")
others=${1-0,100,250,500} samples=${2:-40} process_samples=${3:-10} device_others=${4-0,200} image_others=${5-0,100} pool_others=${6-0,100,500,1000} noxs_others=${7-0,100,500,1000}

grep -qs control_d /proc/xen/capabilities || {
  echo "run-in-lab.sh: this is not the control domain of a Xen" >&2
  exit 1
}

# What the runtime brings compiled ahead is quicker to start and slower than what it compiles itself, and would stay so, for
# the bench does without tiers (LightVM.Bench.csproj): a process that has run for long has all that is hot compiled.
export DOTNET_ReadyToRun=0
# Under emulation every change of the protection of a page is dear, and .NET makes two for each method it compiles.
export DOTNET_EnableWriteXorExecute=0 DOTNET_CLI_TELEMETRY_OPTOUT=1 NO_COLOR=1

arguments=(
  --kernel "$build/guests/tiny.elf"
  --baseline "$here/baseline"
  --output "${LIGHTVM_BENCH_OUTPUT:-bench-results}"
)
lightvm=()
[[ -x $build/bin/lightvm ]] && lightvm=(--lightvm "$build/bin/lightvm")
shell=()
if pwsh=$(command -v pwsh); then
  shell=(--pwsh "$pwsh" --cmdlet "$here/cmdlet.ps1" --module "$build/module/LightVM")
fi

if [[ $others ]]; then
  "$here/LightVM.Bench" xen "${arguments[@]}" --others "$others" --samples "$samples" --process-samples "$process_samples" \
    "${lightvm[@]}" "${shell[@]}"
fi
# Half as many: there are twice as many guests, and xl takes seconds for each.
if [[ $device_others && ${lightvm[*]} ]]; then
  "$here/LightVM.Bench" devices "${arguments[@]}" --others "$device_others" --samples "$((samples / 2))" \
    --process-samples "$(((process_samples + 1) / 2))" --blocks 3 "${lightvm[@]}"
fi
# As many as of guests with devices: each sample is a creation, a checkpoint, a save and a restoration.
if [[ $image_others && ${lightvm[*]} ]]; then
  "$here/LightVM.Bench" images "${arguments[@]}" --guests "$build/guests" --others "$image_others" --samples "$((samples / 2))" \
    --process-samples "$(((process_samples + 1) / 2))" --blocks 3 "${lightvm[@]}"
fi
# A quarter: with a thousand guests beside, there are two seconds between two operations (LightVM.Bench/Pause.cs).
if [[ $pool_others && ${lightvm[*]} ]]; then
  "$here/LightVM.Bench" pools "${arguments[@]}" --others "$pool_others" --samples "$((samples / 4))" \
    --process-samples "$(((process_samples + 1) / 2))" --blocks 3 "${lightvm[@]}"
fi
if [[ $noxs_others && ${lightvm[*]} ]]; then
  "$here/LightVM.Bench" noxs "${arguments[@]:2}" --guests "$build/guests" --others "$noxs_others" --samples "$((samples / 4))" \
    --process-samples "$(((process_samples + 1) / 2))" --blocks 3 "${lightvm[@]}"
  "$here/LightVM.Bench" disks "${arguments[@]:4}" --guests "$build/guests" "${lightvm[@]}"
fi
