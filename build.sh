#!/usr/bin/env bash
# build.sh: everything that is done with this tree by hand or by CI. `./build.sh help` lists it.
set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly tree
readonly artifacts=$tree/artifacts
readonly test_lab=test
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 NO_COLOR=1

usage() {
  cat <<'TEXT'
build.sh: build, try and prove LightVM.PowerShell

  ./build.sh build               everything into artifacts/: module, lightvm, tests, guests       (2 min)
  ./build.sh demo [--simulated]  create, list, pause, resume and remove a few guests: on this machine's Xen if it
                                 is a dom0, else in the lab; simulated needs no Xen at all         (2 min; seconds)
  ./build.sh test [PART...]      format, unit, pester and lab tests, or some of these             (30 min);
                                 by name only: moves, between two labs at once                    (20 min);
                                 bulk, a thousand guests three times over                         (60 min);
                                 storeless, five hundred guests without xenstored                  (5 min);
                                 devctl, the pages of LightVM's own hypervisor, on a Xen built
                                 with its hypercall                                               (15 min);
                                 examples, every example of the help on a real Xen                (80 min)
  ./build.sh bench [OPTION...]   measure beside xl and a bare C loop, in the lab                   (4 h)
  ./build.sh lab                 a shell in the lab's dom0 with module, lightvm and pwsh          (1 min)
  ./build.sh format              bring the C# sources into their format

Packages are installed with apt as needed (as root), and brought by NuGet: PowerShell and Pester, too, into
artifacts/tools, where there are none on the PATH. The .NET SDK 10 must be there.
TEXT
}

main() {
  local command=${1:-help}
  (($#)) && shift
  cd "$tree"
  case $command in
    build | demo | test | bench | lab | format) "command_$command" "$@" ;;
    help | -h | --help) usage ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
}

say() { printf '== %s\n' "$*" >&2; }

die() {
  printf 'build.sh: %s\n' "$*" >&2
  exit 1
}

# --- what is needed ------------------------------------------------------------------------------------------------

require_dotnet() {
  command -v dotnet >/dev/null || die "the .NET SDK 10 is missing; get it from https://dotnet.microsoft.com/download/dotnet/10.0"
  dotnet --list-sdks | grep -q '^10\.' || die "the .NET SDK 10 is missing (here: $(dotnet --list-sdks | tr '\n' ' ')); get it from https://dotnet.microsoft.com/download/dotnet/10.0"
}

# install PACKAGE...: from Debian, what is not there yet; the lab's own way of doing it
install() (
  # shellcheck source=tests/Lab/lib/common.sh
  source "$tree/tests/Lab/lib/common.sh"
  require_packages "$@"
)

is_dom0() { grep -qs control_d /proc/xen/capabilities; }

# provide_pwsh: a pwsh with Pester becomes the one on the PATH, the machine's or else NuGet's. Without one, what needs it is left out.
# Whoever is called from here on is told, and does not try once more.
provide_pwsh() {
  export LIGHTVM_PWSH
  LIGHTVM_PWSH=$(tests/Shell/find.sh) || return 0
  [[ $(command -v pwsh) == "$LIGHTVM_PWSH" ]] || PATH=$(dirname "$LIGHTVM_PWSH"):$PATH
}

has_pwsh() { command -v pwsh >/dev/null; }

lab() { "$tree/tests/Lab/lab.sh" "$@"; }

# --- build -----------------------------------------------------------------------------------------------------------

command_build() {
  build_native
  build_managed
  build_bench
}

build_native() {
  say "native: the shim over libxenctrl and libxenguest, and our guests"
  install cmake gcc make pkg-config libc6-dev libxen-dev dpkg-dev
  local options=(-DCMAKE_BUILD_TYPE=Release)
  if src/Native/fetch-source.sh lwip "$artifacts/lwip"; then
    options+=(-DLWIP_DIR="$artifacts/lwip")
  else
    say "the guests with a network are left out: Debian's source package of lwip is not to be had"
  fi
  cmake -S src/Native -B "$artifacts/native" "${options[@]}" >/dev/null
  cmake --build "$artifacts/native" -- -s >&2
  mkdir -p "$artifacts"/{bin,guests,lab,module/LightVM}
  cp "$artifacts"/native/guests/*.elf "$artifacts/guests/"
  [[ ! -e $artifacts/lwip/COPYING ]] || cp "$artifacts/lwip/COPYING" "$artifacts/guests/COPYING.lwip"
  local target
  for target in bin lab module/LightVM; do
    cp "$artifacts/native/liblightvm-xen.so" "$artifacts/$target/"
    # Where lightvm and the module find them by name.
    [[ $target == lab ]] || { mkdir -p "$artifacts/$target/guests" && cp "$artifacts"/guests/* "$artifacts/$target/guests/"; }
  done
}

build_managed() {
  require_dotnet
  say "managed: engine, cmdlets, lightvm, tests"
  quietly dotnet build LightVM.PowerShell.sln -c Release
  mkdir -p "$artifacts/module/LightVM"
  cp -r module/. "$artifacts/module/LightVM/"
  publish_module
  publish_lightvm
  quietly dotnet publish tests/Lab/Contract -c Release --no-build -o "$artifacts/lab"
}

# The module's assemblies are for net8.0 and are compiled ahead where NuGet has the compiler: half of the import is JIT else.
publish_module() {
  local options=(-c Release -r linux-x64 --self-contained false -p:PublishReadyToRun=true -o "$artifacts/module-publish")
  rm -rf "$artifacts/module-publish"
  if ! dotnet publish src/LightVM.Cmdlets "${options[@]}" >"$artifacts/module-publish.log" 2>&1; then
    say "the module is left to the JIT: no ReadyToRun compiler is to be had (artifacts/module-publish.log)"
    quietly dotnet publish src/LightVM.Cmdlets -c Release --no-build -o "$artifacts/module-publish"
  fi
  cp "$artifacts"/module-publish/LightVM.{Cmdlets,Engine}.dll "$artifacts/module/LightVM/"
}

# NativeAOT where its compiler is to be had: lightvm then starts in a tenth of the time.
publish_lightvm() {
  local options=(-c Release -o "$artifacts/bin-publish")
  rm -rf "$artifacts/bin-publish"
  if dotnet publish src/LightVM.Host "${options[@]}" -p:PublishAot=true -p:CppCompilerAndLinker=gcc >"$artifacts/bin-publish.log" 2>&1; then
    say "lightvm is compiled by NativeAOT"
  else
    say "lightvm runs on the .NET runtime: no NativeAOT compiler is to be had (artifacts/bin-publish.log)"
    rm -rf "$artifacts/bin-publish"
    quietly dotnet publish src/LightVM.Host "${options[@]}" -p:PublishReadyToRun=true
  fi
  mkdir -p "$artifacts/bin"
  rm -f "$artifacts"/bin/*.{dbg,pdb,xml} "$artifacts"/bin-publish/*.{dbg,pdb,xml}
  cp -r "$artifacts"/bin-publish/. "$artifacts/bin/"
}

build_bench() {
  [[ -e bench/baseline/CMakeLists.txt ]] || return 0
  say "bench: the bare C loop and what measures"
  cmake -S bench/baseline -B "$artifacts/baseline-build" -DCMAKE_BUILD_TYPE=Release >/dev/null
  cmake --build "$artifacts/baseline-build" -- -s >&2
  quietly dotnet publish bench/LightVM.Bench -c Release -o "$artifacts/bench"
  cp "$artifacts/baseline-build/baseline" "$artifacts/native/liblightvm-xen.so" bench/*.sh bench/*.ps1 "$artifacts/bench/"
}

# quietly COMMAND...: shows what it printed only when it failed.
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    die "failed: $*"
  fi
  rm -f "$log"
}

# --- demo ------------------------------------------------------------------------------------------------------------

command_demo() {
  provide_pwsh
  if [[ ${1:-} == --simulated ]]; then
    demo_simulated
    return
  fi

  build_native
  build_managed
  if is_dom0; then
    (cd "$artifacts/guests" && run_demo "$artifacts" "$tree/docs/examples")
    return
  fi
  start_lab demo
  lab run demo -- "mkdir -p /host/examples" </dev/null
  lab copy demo docs/examples/. /host/examples
  lab run demo -- "$(declare -f run_demo); cd /lightvm/guests && run_demo /lightvm /host/examples" </dev/null
  lab stop demo
}

# Builds no more than it shows, so that it is over in seconds.
demo_simulated() {
  require_dotnet
  if has_pwsh; then
    quietly dotnet build src/LightVM.Cmdlets -c Release
    local module=$artifacts/module-simulated/LightVM
    mkdir -p "$module"
    cp -r module/. src/LightVM.Cmdlets/bin/Release/net8.0/LightVM.{Cmdlets,Engine}.dll "$module/"
    pwsh -NoProfile -File docs/examples/demo.ps1 -ModulePath "$module" -Simulated
  else
    quietly dotnet build src/LightVM.Host -c Release
    (cd docs/examples && "$tree/src/LightVM.Host/bin/Release/net10.0/linux-x64/lightvm" --simulated script --time demo-simulated.lvm)
  fi
}

# run_demo BUILD EXAMPLES: runs in a dom0
run_demo() {
  if command -v pwsh >/dev/null; then
    NO_COLOR=1 pwsh -NoProfile -File "$2/demo.ps1" -ModulePath "$1/module/LightVM"
  else
    cp "$2/tiny.json" .
    "$1/bin/lightvm" script --time "$2/demo.lvm"
  fi
}

# start_lab NAME [OPTION...]: a lab with the build in it
start_lab() {
  lab build
  lab start "$@"
  lab install "$1" "$artifacts"
}

# --- test ------------------------------------------------------------------------------------------------------------

passed=0 failed=0 skipped=0
logs=()

command_test() {
  local parts=("$@")
  ((${#parts[@]})) || parts=(format unit pester lab)
  command_build
  provide_pwsh
  local part
  for part in "${parts[@]}"; do
    case $part in
      format | unit | pester | lab | moves | bulk | storeless | devctl | examples)
        say "test: $part"
        "test_$part"
        ;;
      *) die "there is no test '$part'" ;;
    esac
  done
  ((failed == 0)) || name_failures
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  ((failed == 0))
}

# What failed, once more, out of the logs of this run: by then they are long.
name_failures() {
  grep -hE '^failed: | \[FAIL\]$' "${logs[@]}" 2>/dev/null | sed 's/^ */  /' || true
}

# count PASSED FAILED SKIPPED
count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

test_format() {
  if dotnet format LightVM.PowerShell.sln --verify-no-changes --no-restore; then count 1 0 0; else count 0 1 0; fi
}

test_unit() {
  local log=$artifacts/unit.log
  dotnet tests/Unit/bin/Release/net10.0/LightVM.Unit.dll -noColor 2>&1 | tee "$log" || true
  count_xunit "$log"
}

# count_xunit LOG: by xunit's closing line; a run without one has failed
count_xunit() {
  local line
  logs+=("$1")
  line=$(grep -E 'Total: [0-9]+, Errors: [0-9]+, Failed: [0-9]+, Skipped: [0-9]+' "$1" | tail -1 || true)
  if [[ $line =~ Total:\ ([0-9]+),\ Errors:\ ([0-9]+),\ Failed:\ ([0-9]+),\ Skipped:\ ([0-9]+) ]]; then
    local bad=$((BASH_REMATCH[2] + BASH_REMATCH[3]))
    count $((BASH_REMATCH[1] - BASH_REMATCH[3] - BASH_REMATCH[4])) "$bad" "${BASH_REMATCH[4]}"
  else
    say "the run did not come to its end: $1"
    count 0 1 0
  fi
}

# How many tests would have run: as they are written, a table of cases counts as one.
pester_tests() { cat tests/Pester/*.Tests.ps1 | grep -cE '^\s*It '; }

test_pester() {
  if [[ ! $LIGHTVM_PWSH ]]; then
    say "skipped: the $(pester_tests) Pester tests (no pwsh with Pester 5)"
    count 0 0 "$(pester_tests)"
    return
  fi
  local log=$artifacts/pester.log
  pwsh -NoProfile -File tests/Pester/Invoke-Tests.ps1 -ModulePath "$artifacts/module/LightVM" 2>&1 | tee "$log" || true
  count_pester "$log"
}

# count_pester LOG: by the closing line of Invoke-Tests.ps1
count_pester() {
  local line
  logs+=("$1")
  line=$(grep -E '^Pester: [0-9]+ passed' "$1" | tail -1 || true)
  if [[ $line =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped ]]; then
    count "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
  else
    say "the run did not come to its end: $1"
    count 0 1 0
  fi
}

# Three labs, of which two run at once. One processor each: with two, a dom0 has hung, rarely.
test_lab() {
  local name=$test_lab
  lab build
  rm -f "$artifacts"/lab*.log
  contract_lab "$name" "$artifacts/lab.log" "$(printf " -class- '%s'" "${classes_beside[@]}" LightVM.Lab.SystemdTests)" &
  {
    start_lab "$name-beside" --memory 4096 --cpus 1
    if lab_has_pester "$name-beside"; then lab_pester "$name-beside" "$artifacts/lab-pester.log" 3000; fi
    contract "$name-beside" "$artifacts/lab-beside.log" "$(printf " -class '%s'" "${classes_beside[@]}")"
    lab stop "$name-beside"
    contract_lab "$name-systemd" "$artifacts/lab-systemd.log" '-class LightVM.Lab.SystemdTests' --init systemd
  } &
  wait
  count_xunit "$artifacts/lab.log"
  if [[ -e $artifacts/lab-pester.log ]]; then
    count_pester "$artifacts/lab-pester.log"
  else
    say "skipped: the $(pester_tests) Pester tests on a real Xen (the lab has no pwsh with Pester 5)"
    count 0 0 "$(pester_tests)"
  fi
  count_xunit "$artifacts/lab-beside.log"
  count_xunit "$artifacts/lab-systemd.log"
}

# Classes of the contract that are tried in the second lab, beside Pester: about half of the time.
readonly classes_beside=('LightVM.Lab.Noxs*' 'LightVM.Lab.Unikernel*' 'LightVM.Lab.Pool*' 'LightVM.Lab.XenPool*' 'LightVM.Lab.Device*')

# A variable of the environment for what is tried in dom0: NAME=VALUE, or nothing.
setting=''

# contract_lab NAME LOG WORDS [OPTION...]: the contract in a lab of its own, started with these options
contract_lab() {
  start_lab "$1" --memory 4096 --cpus 1 "${@:4}"
  contract "${@:1:3}"
  lab stop "$1"
}

# contract NAME LOG WORDS [SECONDS]: what every host does, and what only a real one can, tried in dom0; the words choose classes
contract() {
  lab run "$1" --timeout "${4:-3600}" -- "cd /lightvm/lab && $setting dotnet LightVM.Contract.dll -noColor $3" </dev/null 2>&1 | tee "$2" || true
}

lab_has_pester() { lab run "$1" -- 'test -d /opt/microsoft/powershell/7/Modules/Pester' </dev/null; }

# lab_pester NAME LOG SECONDS [ARGUMENT...]: the Pester tests in dom0, which find there what they find in the tree
lab_pester() {
  lab run "$1" -- 'mkdir -p /host/tree/tests /host/tree/docs' </dev/null
  lab copy "$1" tests/Pester /host/tree/tests/
  lab copy "$1" docs/help /host/tree/docs/
  lab run "$1" --timeout "$3" -- "$setting pwsh -NoProfile -File /host/tree/tests/Pester/Invoke-Tests.ps1 -ModulePath /lightvm/module/LightVM -Xen -KernelPath /lightvm/guests/tiny.elf ${*:4}" </dev/null 2>&1 | tee "$2" || true
}

# Two labs, and domains that move between them.
test_moves() {
  local log=$artifacts/moves.log line
  tests/Lab/moves.sh 1 2>&1 | tee "$log" || true
  line=$(tail -1 "$log")
  if [[ $line =~ ^moves:\ ([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    count "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" 0
  else
    say "the run did not come to its end: $log"
    count 0 1 0
  fi
}

# The examples of the help, one of which starts a thousand guests, and some of which are about all domains.
test_examples() {
  start_lab examples --memory 12288 --dom0-memory 2048 --cpus 1
  if lab_has_pester examples; then
    lab_pester examples "$artifacts/examples.log" 5400 -Disposable -Name HelpExamples
    count_pester "$artifacts/examples.log"
  else
    say "skipped: the examples of the help on a real Xen (the lab has no pwsh with Pester 5)"
    count 0 0 1
  fi
  lab stop examples
}

# A thousand guests, three times over; the ordinary run of the lab has a hundred once.
test_bulk() {
  local setting=LIGHTVM_BULK=1000x3
  apart bulk '-class LightVM.Lab.BulkTests' --memory 12288 --dom0-memory 2048
  lab stop bulk
}

# Five hundred guests where xenstored was killed, for which a lab is of no use any more after that.
test_storeless() {
  local setting=LIGHTVM_WITHOUT_STORE=500
  apart storeless '-class LightVM.Lab.WithoutStoreTests' --memory 8192 --dom0-memory 2048
  lab stop storeless
}

# Guests without a store where the hypervisor has pages for them, as LightVM's own had: those that look there boot, serve, are saved, restored and made of shells.
test_devctl() {
  say "a Xen with LightVM's hypercall"
  install bison flex gcc make python3 libc6-dev dpkg-dev
  tests/Lab/devctl/build-xen.sh "$artifacts/xen" >&2
  local setting=LIGHTVM_DEVCTL=1
  apart devctl "-class LightVM.Lab.HypervisorPageTests -class LightVM.Lab.NoxsTests -class '*XenNoxs*'" --memory 4096 --xen "$artifacts/xen/xen/xen"
  if lab_has_pester devctl; then
    lab_pester devctl "$artifacts/devctl-pester.log" 1800 -Name Noxs
    count_pester "$artifacts/devctl-pester.log"
  else
    say "skipped: the cmdlets on such a Xen (the lab has no pwsh with Pester 5)"
    count 0 0 1
  fi
  lab stop devctl
}

# apart NAME WORDS OPTION...: some classes of the contract in a lab of their own, started with these options, which goes on running
apart() {
  local log=$artifacts/$1.log
  start_lab "$1" --cpus 1 "${@:3}"
  contract "$1" "$log" "$2" 14400
  count_xunit "$log"
}

# --- the rest --------------------------------------------------------------------------------------------------------

command_bench() {
  command_build
  provide_pwsh
  "$tree/bench/bench.sh" "$@"
}

command_lab() {
  command_build
  start_lab lab
  lab shell lab
}

command_format() {
  require_dotnet
  dotnet format LightVM.PowerShell.sln
}

main "$@"
