@{
    RootModule           = 'LightVM.Cmdlets.dll'
    ModuleVersion        = '0.1.0'
    GUID                 = '5d4f0c1e-7a52-4a0b-9f0e-3c8b6f2f1d77'
    Author               = 'The LightVM.PowerShell authors'
    CompanyName          = 'LightVM.PowerShell'
    Copyright            = 'The LightVM.PowerShell authors. BSD-3-Clause.'
    Description          = 'A lean toolstack for Xen: creates, lists, pauses and removes domains in milliseconds, on the Xen of this machine or on a simulated host.'
    PowerShellVersion    = '7.4'
    CompatiblePSEditions = @('Core')
    FormatsToProcess     = @('LightVM.Format.ps1xml')
    CmdletsToExport      = @(
        'Add-LvmDisk'
        'Add-LvmNetworkAdapter'
        'Checkpoint-LvmDomain'
        'Compare-LvmDomain'
        'Connect-LvmHost'
        'Copy-LvmDomain'
        'Disconnect-LvmHost'
        'Enter-LvmConsole'
        'Export-LvmDomainConfig'
        'Get-LvmConsole'
        'Get-LvmDisk'
        'Get-LvmDomain'
        'Get-LvmHost'
        'Get-LvmImage'
        'Get-LvmNetworkAdapter'
        'Get-LvmPool'
        'Get-LvmService'
        'Get-LvmTrust'
        'Import-LvmDomainConfig'
        'Measure-LvmDomain'
        'Move-LvmDomain'
        'New-LvmDomain'
        'New-LvmDomainConfig'
        'New-LvmPool'
        'New-LvmTrust'
        'Remove-LvmDisk'
        'Remove-LvmDomain'
        'Remove-LvmNetworkAdapter'
        'Remove-LvmPool'
        'Remove-LvmTrust'
        'Rename-LvmDomain'
        'Resolve-LvmMove'
        'Restart-LvmDomain'
        'Restore-LvmDomain'
        'Resume-LvmDomain'
        'Save-LvmDomain'
        'Send-LvmConsole'
        'Set-LvmPool'
        'Start-LvmService'
        'Stop-LvmDomain'
        'Stop-LvmService'
        'Suspend-LvmDomain'
        'Test-LvmDomainConfig'
        'Test-LvmHost'
        'Wait-LvmDomain'
    )
    FunctionsToExport    = @()
    AliasesToExport      = @()
    VariablesToExport    = @()
    PrivateData          = @{
        PSData = @{
            Tags = @('Xen', 'Hypervisor', 'Virtualization', 'VM', 'Unikernel', 'LightVM', 'Linux', 'PSEdition_Core')
        }
    }
}
