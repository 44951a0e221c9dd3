BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $onXen = Test-OnXen
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    function New-TestDomain([string] $Name, [string] $CommandLine = '', [switch] $Paused) {
        New-LvmDomain -Name (Get-TestName $Name) -Kernel $kernel -MemoryMiB 4 -CommandLine $CommandLine -Paused:$Paused -OnPoweroff Preserve -OnCrash Preserve
    }
}

AfterAll {
    Clear-TestDomain
    Disconnect-LvmHost
}

Describe 'Wait-LvmDomain' {
    AfterEach { Clear-TestDomain }

    It 'returns at once, and nothing, when it is so already' {
        $null = New-TestDomain a
        Wait-LvmDomain (Get-TestName a) -For Running -Timeout 0 -ErrorAction Stop | Should -BeNullOrEmpty
        (Wait-LvmDomain (Get-TestName '*') -For Running -Timeout 0 -PassThru).Name | Should -Be (Get-TestName a)
    }

    It 'waits for the ends of all' {
        $domains = 'a', 'b' | ForEach-Object { New-TestDomain $_ }
        Stop-LvmDomain (Get-TestName '*') -NoWait
        $ended = $domains | Wait-LvmDomain -For Shutdown -Timeout 60 -PassThru
        $ended.Name | Sort-Object | Should -Be $domains.Name
        $ended.ShutdownReason | Should -Be 'Poweroff', 'Poweroff'
    }

    It 'waits until domains are gone, and has nothing to return of them' {
        $domain = New-TestDomain a
        $inner = [powershell]::Create()
        $null = $inner.AddScript({
                param($Module, $Domain)
                Import-Module $Module
                Wait-LvmDomain -InputObject $Domain -For Removed -Timeout 60 -PassThru -ErrorAction Stop
            }).AddParameters(@{ Module = Get-TestModulePath; Domain = $domain })
        $running = $inner.BeginInvoke()
        Remove-LvmDomain -InputObject $domain -Force
        $inner.EndInvoke($running) | Should -BeNullOrEmpty
        $inner.HadErrors | Should -BeFalse
        $inner.Dispose()
        Wait-LvmDomain (Get-TestName a) -For Removed -ErrorAction Stop
    }

    It 'tells each that is late, and returns the others' {
        $null = New-TestDomain late
        $null = New-TestDomain crashed -CommandLine crash
        $ended = Wait-LvmDomain (Get-TestName '*') -For Shutdown -Timeout 3 -PassThru -ErrorAction SilentlyContinue -ErrorVariable problem
        $ended.Name, $ended.ShutdownReason | Should -Be (Get-TestName crashed), 'Crash'
        $problem | Get-ErrorId | Should -Be 'WaitTimeout'
        $problem.CategoryInfo.Category | Should -Be 'OperationTimeout'
        $problem.TargetObject.Name | Should -Be (Get-TestName late)
    }

    It 'tells at once what can never be' {
        $crashed = New-TestDomain crashed -CommandLine crash | Wait-LvmDomain -For Shutdown -Timeout 60 -PassThru
        $gone = New-TestDomain gone
        Remove-LvmDomain -InputObject $gone -Force
        $crashed, $gone | Wait-LvmDomain -For Running -ErrorAction SilentlyContinue -ErrorVariable problems
        $problems | Get-ErrorId | Sort-Object | Should -Be 'DomainGone', 'DomainInvalidState'
        Wait-LvmDomain (Get-TestName nobody) -For Running -ErrorAction SilentlyContinue -ErrorVariable unknown
        $unknown | Get-ErrorId | Should -Be 'DomainNotFound'
    }

    It 'waits for a line of the console' {
        $null = New-TestDomain a -CommandLine 'noxs some-words'
        (Wait-LvmDomain (Get-TestName a) -For ConsoleMatch -Pattern 'SOME-w.rds' -Timeout 60 -PassThru).Name | Should -Be (Get-TestName a)
        Wait-LvmDomain (Get-TestName a) -For ConsoleMatch -Pattern 'other words' -Timeout 1 -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'WaitTimeout'
    }

    It 'returns the address of a guest' -Skip:$onXen {
        $null = New-LvmDomain (Get-TestName net) -Kernel $kernel -MemoryMiB 4 -Vif @{ Ip = '10.0.0.7'; Mac = '00:16:3e:00:00:07' }
        $address = Wait-LvmDomain (Get-TestName net) -For Address -Timeout 60 -PassThru
        $address.DomainName, $address.MacAddress, "$($address.IPAddress)" | Should -Be (Get-TestName net), '00:16:3e:00:00:07', '10.0.0.7'
        $address | Out-String | Should -Match 'Domain\s+ID\s+MacAddress\s+IPAddress'
    }

    It 'waits in vain for the address of a guest without one' {
        $null = New-TestDomain a
        Wait-LvmDomain (Get-TestName a) -For Address -Timeout 1 -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'WaitTimeout'
    }

    It 'refuses what makes no sense' {
        { Wait-LvmDomain x -For ConsoleMatch } | Should -Throw '*-Pattern*'
        { Wait-LvmDomain x -For Running -Pattern x } | Should -Throw '*-Pattern*'
        { Wait-LvmDomain x -For ConsoleMatch -Pattern '(' } | Should -Throw '*regular expression*'
    }

    It 'ends when it is stopped itself' -Skip:$onXen {
        $null = New-TestDomain a
        $inner = [powershell]::Create()
        $null = $inner.AddScript("Import-Module '$(Get-TestModulePath)'; Wait-LvmDomain $(Get-TestName a) -For Removed")
        $running = $inner.BeginInvoke()
        while ($inner.InvocationStateInfo.State -ne 'Running') { Start-Sleep -Milliseconds 1 }
        $inner.Stop()
        $running.IsCompleted | Should -BeTrue
        $inner.Dispose()
    }
}
