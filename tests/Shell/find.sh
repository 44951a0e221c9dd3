#!/usr/bin/env bash
# find.sh: prints the path of a PowerShell (7.4 or newer) that has Pester 5: the one on the PATH if it is such a one, else NuGet's (Shell.csproj),
# which is brought into artifacts/tools the first time. When neither can be had, it says so and fails.
# $LIGHTVM_PWSH, where it is set, is the answer: of whoever has asked already, for the scripts that it calls. Empty means that there is none.
set -euo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd)
tools=$(cd -- "$here/../.." && pwd)/artifacts/tools
made_of=$tools/pwsh.csproj # beside the folder when it is whole

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

main() {
  if [[ -v LIGHTVM_PWSH ]]; then
    [[ $LIGHTVM_PWSH ]] && echo "$LIGHTVM_PWSH"
  elif command -v pwsh >/dev/null && serves pwsh; then
    command -v pwsh
  else
    mkdir -p "$tools"
    exec 9>"$tools/lock"
    flock 9
    cmp -s "$here/Shell.csproj" "$made_of" || bring >&2
    echo "$tools/pwsh/pwsh"
  fi
}

# serves PWSH
serves() {
  # shellcheck disable=SC2016 # PowerShell's variables
  "$1" -NoProfile -NonInteractive -Command 'exit [int]($PSVersionTable.PSVersion -lt [version] "7.4" -or -not (Get-Module -ListAvailable Pester | Where-Object { $_.Version.Major -ge 5 }))'
}

bring() {
  local log=$tools/pwsh.log
  rm -f "$made_of"
  echo "pwsh: bringing PowerShell and Pester from NuGet into artifacts/tools"
  # Without the lock: what dotnet leaves running for later builds would keep it.
  if ! dotnet build "$here/Shell.csproj" >"$log" 2>&1 9>&-; then
    echo "pwsh: there is none with Pester 5: not on the PATH, and NuGet does not give it (artifacts/tools/pwsh.log)"
    return 1
  fi
  if ! serves "$tools/pwsh/pwsh" >>"$log" 2>&1; then
    echo "pwsh: there is none with Pester 5: not on the PATH, and NuGet's does not run here (artifacts/tools/pwsh.log)"
    return 1
  fi
  cp "$here/Shell.csproj" "$made_of"
}

main
