#requires -Version 7.4
<#
.SYNOPSIS
Creates guests by New-LvmDomain in one warm process, for the benchmark.
.DESCRIPTION
Reads a number from each line of standard input, creates and removes as many domains, and writes one line for each: the
milliseconds of New-LvmDomain and those of Remove-LvmDomain. Writes "ready" at the start and "done" after each batch.
#>
param(
    [Parameter(Mandatory)] [string] $Module,
    [Parameter(Mandatory)] [string] $Config,
    [int] $PauseMs = 0
)
$ErrorActionPreference = 'Stop'
$culture = [cultureinfo]::InvariantCulture

Import-Module $Module
Connect-LvmHost | Out-Null
[Console]::WriteLine('ready')
while ($null -ne ($line = [Console]::ReadLine())) {
    for ($i = 0; $i -lt [int]$line; $i++) {
        $name = 'cmdlet-{0}-{1}' -f $PID, $i
        $begin = [Diagnostics.Stopwatch]::GetTimestamp()
        $domain = New-LvmDomain -Path $Config -Name $name
        $created = [Diagnostics.Stopwatch]::GetElapsedTime($begin).TotalMilliseconds
        [Threading.Thread]::Sleep($PauseMs)
        $begin = [Diagnostics.Stopwatch]::GetTimestamp()
        Remove-LvmDomain -InputObject $domain -Force
        $removed = [Diagnostics.Stopwatch]::GetElapsedTime($begin).TotalMilliseconds
        [Console]::WriteLine([string]::Format($culture, '{0:F3},{1:F3}', $created, $removed))
        [Threading.Thread]::Sleep($PauseMs)
    }
    [Console]::WriteLine('done')
}
