#requires -Version 7.4
<#
.SYNOPSIS
    Runs the Pester tests of the module and ends with a line "Pester: N passed, N failed, N skipped".
.PARAMETER ModulePath
    The built module's directory.
.PARAMETER Xen
    Tests on the Xen of this machine instead of the simulated host.
.PARAMETER Disposable
    With -Xen: nothing on this machine is anybody's. The examples of the help are run as well, after each of which ALL domains and pools are removed.
.PARAMETER KernelPath
    With -Xen, a PV kernel that runs in 4 MiB (the tree's tiny.elf).
.PARAMETER Name
    Only these files: 'LvmDomain' for LvmDomain.Tests.ps1. Wildcards are allowed.
#>
param(
    [string] $ModulePath = (Join-Path $PSScriptRoot '../../artifacts/module/LightVM'),
    [switch] $Xen,
    [switch] $Disposable,
    [string] $KernelPath,
    [string[]] $Name = '*'
)
$ErrorActionPreference = 'Stop'
if ($Xen -and -not $KernelPath) { throw 'On Xen the tests need a kernel: -KernelPath.' }

$env:LIGHTVM_TEST_MODULE = (Resolve-Path -LiteralPath $ModulePath).ProviderPath
$env:LIGHTVM_TEST_HOST = $Xen ? 'xen' : 'simulated'
$env:LIGHTVM_TEST_DISPOSABLE = $Xen -and $Disposable ? 'yes' : $null
$env:LIGHTVM_TEST_KERNEL = $KernelPath ? (Resolve-Path -LiteralPath $KernelPath).ProviderPath : $null

Import-Module Pester -MinimumVersion 5.0
$configuration = New-PesterConfiguration
$configuration.Run.Path = @($Name -split ',' | ForEach-Object { Join-Path $PSScriptRoot "$_.Tests.ps1" })
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Normal'
$configuration.Output.RenderMode = 'Plaintext'
$result = Invoke-Pester -Configuration $configuration
# Once more at the end, where it is found without looking through all of the above.
foreach ($failed in @($result.Failed) + @($result.FailedBlocks) + @($result.FailedContainers)) {
    "failed: $($failed.ExpandedPath ?? $failed.Name): $($failed.ErrorRecord.Exception.Message -join '; ')" | Out-Host
}
'Pester: {0} passed, {1} failed, {2} skipped' -f $result.PassedCount, ($result.FailedCount + $result.FailedBlocksCount + $result.FailedContainersCount), $result.SkippedCount | Out-Host
exit ($result.Result -eq 'Passed' ? 0 : 1)
