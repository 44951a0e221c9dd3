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
if (-not $Simulated) {
    # Reading consoles by cmdlet is still to come; the same is told by the command line.
    Show-Step 'lightvm console demo1' { & (Get-Command lightvm, "$ModulePath/../../bin/lightvm" -ErrorAction Ignore)[0] console demo1 --log --timeout 3 }
}

Show-Step 'Suspend-LvmDomain demo1' { Suspend-LvmDomain demo1 -PassThru }
Show-Step 'Resume-LvmDomain demo1' { Resume-LvmDomain demo1 -PassThru }
Show-Step 'Remove-LvmDomain demo*' { Remove-LvmDomain demo* -Force }
Show-Step 'Get-LvmDomain' { Get-LvmDomain }
