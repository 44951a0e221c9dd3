#requires -Version 7.4
<#
.SYNOPSIS
Creates guests by New-LvmDomain in one warm process, for the benchmark.
.DESCRIPTION
Reads two numbers from each line of standard input, how many domains and how many milliseconds to wait after each, creates and removes as many, and writes one line for each:
the milliseconds of New-LvmDomain and those of Remove-LvmDomain. Writes "ready" at the start and "done" after each batch.
#>
param(
    [Parameter(Mandatory)] [string] $Module,
    [Parameter(Mandatory)] [string] $Config
)
$ErrorActionPreference = 'Stop'
$culture = [cultureinfo]::InvariantCulture

Import-Module $Module
Connect-LvmHost | Out-Null
[Console]::WriteLine('ready')
while ($null -ne ($line = [Console]::ReadLine())) {
    [int] $count, [int] $pause = $line -split ' '
    for ($i = 0; $i -lt $count; $i++) {
        $name = 'cmdlet-{0}-{1}' -f $PID, $i
        $begin = [Diagnostics.Stopwatch]::GetTimestamp()
        $domain = New-LvmDomain -Path $Config -Name $name
        $created = [Diagnostics.Stopwatch]::GetElapsedTime($begin).TotalMilliseconds
        [Threading.Thread]::Sleep($pause)
        $begin = [Diagnostics.Stopwatch]::GetTimestamp()
        Remove-LvmDomain -InputObject $domain -Force
        $removed = [Diagnostics.Stopwatch]::GetElapsedTime($begin).TotalMilliseconds
        [Console]::WriteLine([string]::Format($culture, '{0:F3},{1:F3}', $created, $removed))
        [Threading.Thread]::Sleep($pause)
    }
    [Console]::WriteLine('done')
}
