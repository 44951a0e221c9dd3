BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $onXen = Test-OnXen
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    $ranBefore = (Get-LvmService devd).State -eq 'Running'
}

AfterAll {
    Clear-TestDomain
    if ($ranBefore) { Start-LvmService devd } else { Stop-LvmService devd }
    Disconnect-LvmHost
}

Describe 'Get-, Start- and Stop-LvmService' {
    BeforeEach { Stop-LvmService devd }
    AfterEach { Clear-TestDomain }

    It 'show a service that does not run' {
        $service = Get-LvmService devd
        $service | Should -BeOfType LightVM.Services.HostService
        $service.Name, $service.State, $service.ProcessId, $service.Unit | Should -Be 'devd', 'Stopped', $null, 'lightvm-devd.service'
        (Get-LvmService).Name | Should -Contain 'devd'
        (Get-LvmService dev*).Name | Should -Be 'devd'
        Get-LvmService nobody* -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'start and stop it, without output' {
        Start-LvmService devd | Should -BeNullOrEmpty
        $running = Get-LvmService devd
        $running.State, $running.NetworkAdapterCount, $running.DiskCount | Should -Be 'Running', 0, 0
        Get-Process -Id $running.ProcessId | Should -Not -BeNullOrEmpty
        $running.StartTime | Should -BeGreaterThan ([datetimeoffset]::Now.AddMinutes(-2))
        Stop-LvmService devd | Should -BeNullOrEmpty
        (Get-LvmService devd).State | Should -Be 'Stopped'
    }

    It 'do nothing twice, and return the service with -PassThru' {
        $first = Start-LvmService devd -PassThru
        (Start-LvmService DEVD -PassThru).ProcessId | Should -Be $first.ProcessId
        (Get-LvmService devd | Stop-LvmService -PassThru).State | Should -Be 'Stopped'
        ('devd' | Stop-LvmService -PassThru).State | Should -Be 'Stopped'
    }

    It 'change nothing with -WhatIf' {
        Start-LvmService devd -WhatIf
        (Get-LvmService devd).State | Should -Be 'Stopped'
        Start-LvmService devd
        Stop-LvmService devd -WhatIf
        (Get-LvmService devd).State | Should -Be 'Running'
    }

    It 'say of a service that there is not that there is none, and go on' {
        $found = Get-LvmService httpd, devd -ErrorAction SilentlyContinue -ErrorVariable problem
        $found.Name | Should -Be 'devd'
        $problem | Get-ErrorId | Should -Be 'ServiceNotFound'
        $problem.CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $problem.TargetObject | Should -Be 'httpd'
        (Start-LvmService httpd, devd -PassThru -ErrorAction SilentlyContinue).State | Should -Be 'Running'
    }

    It 'carry out what happens when guests end, as long as it runs' {
        $common = @{ Kernel = $kernel; MemoryMiB = 4; CommandLine = 'off' }
        New-LvmDomain (Get-TestName early) @common -OnPoweroff Destroy | Wait-LvmDomain -For Shutdown -Timeout 60
        Start-LvmService devd
        Wait-LvmDomain (Get-TestName early) -For Removed -Timeout 60 -ErrorAction Stop
        New-LvmDomain (Get-TestName later) @common -OnPoweroff Destroy | Wait-LvmDomain -For Removed -Timeout 60 -ErrorAction Stop
        Stop-LvmService devd
        New-LvmDomain (Get-TestName stays) @common -OnPoweroff Destroy | Wait-LvmDomain -For Shutdown -Timeout 60
        (Get-LvmDomain (Get-TestName stays)).State | Should -Be 'Shutdown'
    }

    It 'read like a table, and complete names' {
        Get-LvmService | Out-String -Width 160 | Should -Match '(?s)Name\s+State\s+Process\s+Version\s+Vifs\s+Vbds\s+Shells\s+Started.*devd\s+Stopped'
        (TabExpansion2 'Start-LvmService d' 18).CompletionMatches.CompletionText | Should -Be 'devd'
    }

    It 'end it with the host' -Skip:$onXen {
        Start-LvmService devd
        Connect-LvmHost -Simulated
        (Get-LvmService devd).State | Should -Be 'Stopped'
    }
}
