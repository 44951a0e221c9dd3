#requires -Version 7.4
#requires -Modules @{ ModuleName = 'platyPS'; RequiredVersion = '0.14.2' }
<#
.SYNOPSIS
    Makes the module's help (module/en-US) out of the pages beside this script.
.DESCRIPTION
    To be run after a page was changed; its output is committed. A unit test compares pages, help and cmdlets, so nothing is
    forgotten where PowerShell is missing.
#>
$ErrorActionPreference = 'Stop'
$target = Join-Path $PSScriptRoot '../../module/en-US'
New-ExternalHelp -Path $PSScriptRoot -OutputPath $target -Force | ForEach-Object {
    # As the tree has its texts: LF, and no byte order mark.
    $text = [IO.File]::ReadAllText($_.FullName).ReplaceLineEndings("`n").TrimEnd() + "`n"
    if ($_.Name -like 'about_*') { $text = $text -replace '(?m)^    about_lightvm$', '    about_LightVM' -replace '(?m)[ \t]+$', '' }
    [IO.File]::WriteAllText($_.FullName, $text)
    $_.Name
}
