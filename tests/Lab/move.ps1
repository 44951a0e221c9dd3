#requires -Version 7.4
<#
.SYNOPSIS
Moves the domains "moved-tls", "moved-ssh" and "moved-plain" to another lab, each over that transport, as a user of the module does: who asks before, and waits for a job.
.DESCRIPTION
Run by moves.sh in dom0. With -New it makes them first.
#>
param(
    [Parameter(Mandatory)] [string] $ComputerName,
    [Parameter(Mandatory)] [int] $PlainPort,
    [switch] $New
)
$ErrorActionPreference = 'Stop'
Import-Module LightVM
foreach ($transport in 'Tls', 'Ssh', 'Plain') {
    $name = "moved-$($transport.ToLowerInvariant())"
    if ($New) { New-LvmDomain -Path /tmp/pvh.json -Name $name | Out-Null }
    $target = @{ ComputerName = $ComputerName; Transport = $transport }
    if ($transport -eq 'Plain') { $target += @{ Port = $PlainPort; Insecure = $true } }
    $report = Compare-LvmDomain $name @target
    if (-not $report.IsPossible) { throw "$name cannot move: $($report.Obstacles)" }
    if ($New) { Get-LvmDomain $name | Move-LvmDomain @target }
    else { Move-LvmDomain $name @target -AsJob | Receive-Job -Wait -AutoRemoveJob }
}
