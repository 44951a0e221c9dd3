BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $manifest = Import-PowerShellDataFile (Join-Path (Get-TestModulePath) 'LightVM.psd1')
    $cmdlets = $manifest.CmdletsToExport
    $onXen = Test-OnXen
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
}

Describe 'The module' {
    It 'has a manifest that PowerShell accepts' {
        $module = Test-ModuleManifest (Join-Path (Get-TestModulePath) 'LightVM.psd1')
        $module.Version | Should -BeOfType version
        $module.CompatiblePSEditions | Should -Be 'Core'
    }

    It 'exports what the manifest names and nothing else' {
        $manifest = Import-PowerShellDataFile (Join-Path (Get-TestModulePath) 'LightVM.psd1')
        (Get-Command -Module LightVM).Name | Sort-Object | Should -Be ($manifest.CmdletsToExport | Sort-Object)
        Get-Command -Module LightVM | ForEach-Object CommandType | Should -Be (@('Cmdlet') * $manifest.CmdletsToExport.Count)
    }

    It 'uses approved verbs' {
        (Get-Command -Module LightVM).Verb | Sort-Object -Unique | Should -BeIn (Get-Verb).Verb
    }

    It 'closes the host when it is removed' -Skip:$onXen {
        Connect-LvmHost -Simulated -PhysicalCpus 3
        Remove-Module LightVM
        Import-Module (Get-TestModulePath)
        Connect-LvmHost -Simulated
        (Get-LvmHost).PhysicalCpus | Should -Be 4
        Remove-Module LightVM
        Import-Module (Get-TestModulePath)
        # Nothing is left of the simulated host: the cmdlets turn to Xen, and say so where there is none.
        if (-not (Test-LvmHost -Quiet)) { { Get-LvmDomain -ErrorAction Stop } | Should -Throw }
    }

    It 'stays connected when another runspace that imported it ends' {
        Connect-TestHost
        $since = (Get-LvmHost).ConnectedSince
        $path = Get-TestModulePath
        1..2 | ForEach-Object -Parallel { Import-Module $using:path; (Get-LvmHost).ConnectedSince } | Should -Be @($since, $since)
        $inner = [powershell]::Create()
        $null = $inner.AddScript("Import-Module '$path'; Get-LvmHost; Remove-Module LightVM").Invoke()
        $inner.Dispose()
        (Get-LvmHost).ConnectedSince | Should -Be $since
    }

    It 'is imported in another process without a word' {
        $command = "`$ErrorActionPreference = 'Stop'; Import-Module '$(Get-TestModulePath)'; (Get-Command -Module LightVM).Count"
        pwsh -NoProfile -NonInteractive -Command $command 2>&1 | Should -Be (Get-Command -Module LightVM).Count
    }
}

Describe 'The help of <_>' -ForEach $cmdlets {
    BeforeAll {
        $name = $_
        $help = Get-Help $name -Full
        $command = Get-Command $name
    }

    It 'has a synopsis, a description and examples' {
        $help.Synopsis | Should -Not -BeNullOrEmpty
        $help.Synopsis | Should -Not -Match "^\s*$name"
        $help.description.Text | Should -Not -BeNullOrEmpty
        @($help.examples.example).Count | Should -BeGreaterThan 0
    }

    It 'explains every parameter' {
        $common = [System.Management.Automation.PSCmdlet]::CommonParameters
        foreach ($parameter in $command.Parameters.Keys | Where-Object { $_ -notin $common }) {
            ($help.parameters.parameter | Where-Object name -EQ $parameter).description.Text | Should -Not -BeNullOrEmpty -Because "-$parameter is a parameter"
        }
    }

    It 'has a syntax line for each parameter set' {
        @($help.syntax.syntaxItem).Count | Should -Be $command.ParameterSets.Count
    }
}

Describe 'about_LightVM' {
    It 'is found by Get-Help' {
        Get-Help about_LightVM | Out-String | Should -Match 'SHORT DESCRIPTION\s+A lean toolstack'
    }
}
