BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $noDaemons = -not (Test-DeviceHost)
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $ranBefore = (Get-LvmService poold).State -eq 'Running'
    Disconnect-LvmHost

    # Shells are made in the background.
    function Wait-Ready([string] $Name, [int] $Count) {
        for ($i = 0; $i -lt 600; $i++) {
            $pool = Get-LvmPool $Name
            if ($pool.ReadyCount -ge $Count -and $pool.MakingCount -eq 0) { return $pool }
            if ($pool.Problem) { throw $pool.Problem }
            Start-Sleep -Milliseconds 100
        }
        throw "pool $Name has $($pool.ReadyCount) shells"
    }
}

AfterAll {
    if (-not $ranBefore) {
        Connect-TestHost
        Stop-LvmService poold
        Disconnect-LvmHost
    }
}

Describe 'New-, Get-, Set- and Remove-LvmPool' -Skip:$noDaemons {
    BeforeEach {
        Connect-TestHost
        $web, $one, $two, $first, $second = 'web', 'one', 'two', 'first', 'second' | ForEach-Object { Get-TestName $_ }
        $config = Write-TestConfig (Join-Path $TestDrive 'web.json') $web (Get-TestKernel $TestDrive)
        Start-LvmService poold
    }

    AfterEach {
        Start-LvmService poold
        Remove-LvmPool (Get-TestName '*')
        Clear-TestDomain
        Disconnect-LvmHost
    }

    It 'need the daemon' {
        Stop-LvmService poold
        Get-LvmPool -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'PoolDaemonUnavailable'
        $problem.CategoryInfo.Category | Should -Be 'ResourceUnavailable'
        (New-LvmDomain $config).Creation.Source | Should -Be 'Full'
    }

    It 'begin a pool, whose domains are used by themselves' {
        $pool = New-LvmPool $web $config -Built -Minimum 2
        $pool | Should -BeOfType LightVM.Pools.Pool
        $pool.Name, $pool.Kind, $pool.Minimum, $pool.Maximum, $pool.MemoryBudgetMiB | Should -Be $web, 'Built', 2, 8, $null
        (Wait-Ready $web 2).Age | Should -BeOfType TimeSpan
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
        $domain = New-LvmDomain $config -Name $one
        $domain.Name, $domain.Creation.Source, $domain.Creation.Pool | Should -Be $one, 'Built', $web
        (New-LvmDomain $config -Name $two -CommandLine other).Creation.Source | Should -Be 'Full'
        $pool = Get-LvmPool $web
        $pool.Hits, $pool.Misses | Should -Be 1, 0
        $pool.TakeRate | Should -BeGreaterThan 0
    }

    It 'run the guest that was waiting' {
        $null = New-LvmPool $web $config -Built
        $null = Wait-Ready $web 1
        $domain = New-LvmDomain $config -Name $one
        $domain.Creation.Source | Should -Be 'Built'
        Wait-LvmDomain $one -For ConsoleMatch -Pattern 'tiny: hello' -Timeout 60 -PassThru | ForEach-Object Name | Should -Be $one
    }

    It 'make pools of each kind out of files, configurations and images' {
        (New-LvmPool $first $config).Kind | Should -Be 'Shell'
        (Import-LvmDomainConfig $config | New-LvmPool $second -Built).Kind | Should -Be 'Built'
        Remove-LvmPool $first, $second
        $null = New-LvmDomain $config | Save-LvmDomain -Path (Join-Path $TestDrive 'web.lightvm') -Force
        Push-Location $TestDrive
        try { (New-LvmPool $first -ImagePath web.lightvm).Kind | Should -Be 'Snapshot' } finally { Pop-Location }
        $null = Wait-Ready $first 1
        (New-LvmDomain $config).Creation.Source | Should -Be 'Snapshot'
    }

    It 'change what a pool keeps' {
        $null = New-LvmPool $web $config
        Set-LvmPool $web -Minimum 3 -MemoryBudgetMiB 16 | Should -BeNullOrEmpty
        (Wait-Ready $web 3).MemoryBudgetMiB | Should -Be 16
        $pool = Get-LvmPool "$web*" | Set-LvmPool -Minimum 0 -Maximum 1 -MemoryBudgetMiB 0 -PassThru
        $pool.Minimum, $pool.Maximum, $pool.MemoryBudgetMiB | Should -Be 0, 1, $null
        Set-LvmPool $web -Minimum 2 -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'PoolInvalid'
        Set-LvmPool $web -Maximum 5 -WhatIf
        (Get-LvmPool $web).Maximum | Should -Be 1
    }

    It 'end pools with what waits in them' {
        $null = New-LvmPool $first $config
        $null = New-LvmPool $second $config
        $null = Wait-Ready $first 1
        Remove-LvmPool $first -WhatIf
        (Get-LvmPool (Get-TestName '*')).Name | Should -Be $first, $second
        Remove-LvmPool (Get-TestName '*')
        Get-LvmPool (Get-TestName '*') | Should -BeNullOrEmpty
        Get-LvmDomain -IncludeShell | Where-Object Name -Like "pool/$(Get-TestName '*')" | Should -BeNullOrEmpty
    }

    It 'tell what is wrong, each by itself' {
        $null = New-LvmPool $web $config
        New-LvmPool $web $config -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'PoolExists'
        New-LvmPool 'a/b' $config -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'PoolInvalid'
        (Get-LvmPool nope, $web -ErrorAction SilentlyContinue -ErrorVariable problem).Name | Should -Be $web
        $problem | Get-ErrorId | Should -Be 'PoolNotFound'
        Get-LvmPool no* -ErrorAction Stop | Should -BeNullOrEmpty
        New-LvmPool $second -ImagePath (Join-Path $TestDrive none.lightvm) -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'ImageNotFound'
    }

    It 'keep shells out of sight' {
        $null = New-LvmPool $web $config
        $null = Wait-Ready $web 1
        $shell = Get-LvmDomain -IncludeShell | Where-Object { $_.IsShell -and $_.Name -like "pool/$web/*" }
        $shell.Name | Should -Match '/[0-9a-f]{8}$'
        $shell.State | Should -Be 'Paused'
        Get-LvmDomain "pool/$web*" | Should -BeNullOrEmpty
        Remove-LvmDomain "pool/$web*", (Get-TestName '*') -Force
        (Get-LvmPool $web).ReadyCount | Should -Be 1
        (Get-LvmDomain -Id $shell.Id).Name | Should -Be $shell.Name
    }

    It 'are shown as tables and completed' {
        $null = New-LvmPool $web $config -Built
        Get-LvmPool | Out-String -Width 160 | Should -Match "(?s)Name\s+Kind\s+Type\s+Memory\(MiB\)\s+Ready\s+Target\s+Maximum\s+Hits\s+Misses\s+Refill/s\s+Age.*$web\s+Built\s+PV\s+4"
        $line = "Remove-LvmPool $($web.Substring(0, $web.Length - 1))"
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be $web
    }
}
