BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $onXen = Test-OnXen
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
}

AfterAll { Disconnect-LvmHost }

Describe 'Connect-LvmHost' {
    It 'returns nothing, and the host with -PassThru' {
        Connect-TestHost | Should -BeNullOrEmpty
        if (Test-OnXen) { (Connect-LvmHost -PassThru).Kind | Should -Be 'Xen' }
        else { (Connect-LvmHost -Simulated -PassThru).Kind | Should -Be 'Simulated' }
    }

    It 'makes the simulated machine that was asked for' -Skip:$onXen {
        $lvmHost = Connect-LvmHost -Simulated -PhysicalCpus 7 -MemoryMiB 256 -NoPvh -PassThru
        $lvmHost.PhysicalCpus | Should -Be 7
        $lvmHost.TotalMemoryMiB | Should -Be 256
        $lvmHost.FreeMemoryMiB | Should -Be 128
        $lvmHost.GuestTypes | Should -Not -Contain 'PVH'
    }

    It 'puts another simulated host in the place of the one before' -Skip:$onXen {
        Connect-LvmHost -Simulated
        $null = New-LvmDomain -Name gone -Kernel (Get-TestKernel $TestDrive) -MemoryMiB 4
        Connect-LvmHost -Simulated
        @(Get-LvmDomain).Count | Should -Be 1
    }

    It 'refuses a machine without CPUs or memory, and sizes of a simulated machine for Xen' {
        { Connect-LvmHost -Simulated -PhysicalCpus 0 } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
        { Connect-LvmHost -Simulated -MemoryMiB 15 } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
        (Get-Command Connect-LvmHost).ParameterSets.Where({ $_.Name -eq 'Xen' }).Parameters.Name | Should -Not -Contain 'MemoryMiB'
    }

    It 'ends with the id, category and remedy of what is missing where there is no Xen' -Skip:($onXen -or (Test-Path /proc/xen/capabilities)) {
        $thrown = { Connect-LvmHost } | Should -Throw -PassThru
        ($thrown | Get-ErrorId) | Should -BeIn 'XenNotRunning', 'XenLibraryMissing', 'XenNotPrivileged'
        $thrown.CategoryInfo.Category | Should -BeIn 'ResourceUnavailable', 'PermissionDenied'
        $thrown.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        $thrown.ErrorDetails.Message | Should -Not -Match ([regex]::Escape($thrown.ErrorDetails.RecommendedAction))
    }

    It 'keeps the host before when another cannot be opened' -Skip:($onXen -or (Test-Path /proc/xen/capabilities)) {
        Connect-LvmHost -Simulated
        { Connect-LvmHost } | Should -Throw
        (Get-LvmHost).Kind | Should -Be 'Simulated'
    }
}

Describe 'Get-LvmHost' {
    BeforeAll { Connect-TestHost }

    It 'shows the host' {
        $lvmHost = Get-LvmHost
        $lvmHost.Kind | Should -Be $(if (Test-OnXen) { 'Xen' } else { 'Simulated' })
        $lvmHost.Version | Should -Match '^\d+\.\d+'
        $lvmHost.PhysicalCpus | Should -BeGreaterThan 0
        $lvmHost.FreeMemoryMiB | Should -BeLessThan $lvmHost.TotalMemoryMiB
        $lvmHost.GuestTypes | Should -Contain 'PV (64-bit)'
        $lvmHost.Capabilities | Should -Contain 'xen-3.0-x86_64'
        $lvmHost.ConnectedSince | Should -BeLessOrEqual ([DateTimeOffset]::Now)
    }

    It 'is formatted as a list with the guest types on one line' {
        Get-LvmHost | Out-String -Width 200 | Should -Match 'GuestTypes\s+: PV \(64-bit\)'
    }

    It 'asks for the free memory anew' {
        $before = (Get-LvmHost).FreeMemoryMiB
        $null = New-LvmDomain -Name (Get-TestName memory) -Kernel (Get-TestKernel $TestDrive) -MemoryMiB 16 -Paused
        (Get-LvmHost).FreeMemoryMiB | Should -BeLessOrEqual ($before - 16)
        Clear-TestDomain
    }
}

Describe 'Test-LvmHost' {
    It 'gives a check list with a remedy for each thing that is wrong' {
        $checks = Test-LvmHost
        $checks.Count | Should -BeGreaterThan 3
        $checks | ForEach-Object { $_.Name | Should -Not -BeNullOrEmpty; $_.Detail | Should -Not -BeNullOrEmpty }
        $checks | Where-Object Status -NE Passed | ForEach-Object { $_.Remedy | Should -Not -BeNullOrEmpty }
    }

    It 'shows remedies under their lines' {
        $text = Test-LvmHost | Out-String -Width 300
        foreach ($check in Test-LvmHost | Where-Object Status -NE Passed) { $text | Should -Match ([regex]::Escape("-> $($check.Remedy)")) }
        $text | Should -Match '(?m)^(Passed|Warning|Failed)\s'
    }

    It 'says true or false with -Quiet' {
        Test-LvmHost -Quiet | Should -Be (-not [bool] (Test-LvmHost | Where-Object Status -EQ Failed))
    }

    It 'passes on Xen' -Skip:(-not $onXen) { Test-LvmHost -Quiet | Should -BeTrue }

    It 'leaves the connection alone' -Skip:$onXen {
        Connect-LvmHost -Simulated
        $since = (Get-LvmHost).ConnectedSince
        $null = Test-LvmHost
        (Get-LvmHost).ConnectedSince | Should -Be $since
    }
}

Describe 'Disconnect-LvmHost' {
    It 'is no error without a host' {
        Disconnect-LvmHost
        { Disconnect-LvmHost -ErrorAction Stop } | Should -Not -Throw
    }
}
