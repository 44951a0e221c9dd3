<#
.SYNOPSIS
    A tour of the module: creates a few guests from a Chaos JSON file, lists, pauses, resumes and removes them.
.DESCRIPTION
    On a real Xen it is run where tiny.elf is; with -Simulated it needs nothing but PowerShell.
#>
#requires -Version 7.4
param(
    [Parameter(Mandatory)] [string] $ModulePath,
    [switch] $Simulated
)
$ErrorActionPreference = 'Stop'

function Show-Step([string] $Title, [scriptblock] $Action) {
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $result = & $Action
    $time = $clock.Elapsed.TotalMilliseconds
    '+ {0}   ({1:n1} ms)' -f $Title, $time | Out-Host
    $result | Out-Host
}

Import-Module $ModulePath
if ($Simulated) { Connect-LvmHost -Simulated } else { Show-Step 'Test-LvmHost' { Test-LvmHost } }
$config = Join-Path $PSScriptRoot ($Simulated ? 'simulated.json' : 'tiny.json')

Show-Step 'Get-LvmHost' { Get-LvmHost }
Show-Step 'New-LvmDomain demo, three times' { New-LvmDomain -Path $config -Name demo -Count 3 }
Show-Step 'Get-LvmDomain demo*' { Get-LvmDomain demo* }
Show-Step 'Get-LvmConsole demo1' { Get-LvmConsole demo1 }
# A demonstration leaves a daemon that runs alone, and takes the one that it needed away again.
$wasRunning = (Get-LvmService devd).State -eq 'Running'
if (-not $wasRunning) { Show-Step 'Start-LvmService devd' { Start-LvmService devd -PassThru } }
Show-Step 'Add-LvmNetworkAdapter demo1' { Add-LvmNetworkAdapter demo1 -IpAddress 10.0.0.2 -PassThru }
Show-Step 'Get-LvmDomain demo* | Get-LvmNetworkAdapter | Remove-LvmNetworkAdapter' { Get-LvmDomain demo* | Get-LvmNetworkAdapter | Remove-LvmNetworkAdapter -Confirm:$false }
Show-Step 'Suspend-LvmDomain demo1' { Suspend-LvmDomain demo1 -PassThru }
Show-Step 'Resume-LvmDomain demo1' { Resume-LvmDomain demo1 -PassThru }
Show-Step 'Stop-LvmDomain demo2' { Stop-LvmDomain demo2 -Timeout 60 -Confirm:$false }
Show-Step 'Remove-LvmDomain demo*' { Remove-LvmDomain demo* -Force }
if (-not $wasRunning) { Stop-LvmService devd -Confirm:$false }
Show-Step 'Get-LvmDomain' { Get-LvmDomain }
