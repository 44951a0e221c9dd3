BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $onXen = Test-OnXen
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    # One small domain under a name of its own; a deaf one does not hear what it is asked.
    function New-TestDomain([string] $Name, [switch] $Deaf, [switch] $Paused, [string] $OnPoweroff = 'Destroy', [string] $OnReboot = 'Restart') {
        New-LvmDomain -Name (Get-TestName $Name) -Kernel $kernel -MemoryMiB 4 -CommandLine ($Deaf ? 'noxs' : '') -Paused:$Paused -OnPoweroff $OnPoweroff -OnReboot $OnReboot
    }
}

AfterAll {
    Clear-TestDomain
    Disconnect-LvmHost
}

Describe 'Stop-LvmDomain' {
    AfterEach { Clear-TestDomain }

    It 'shuts down by name, pattern, id, uuid and object, without output' {
        $domains = 'a', 'b', 'c', 'd', 'e1', 'e2' | ForEach-Object { New-TestDomain $_ }
        Stop-LvmDomain (Get-TestName a) | Should -BeNullOrEmpty
        Stop-LvmDomain -Id $domains[1].Id
        Stop-LvmDomain -Uuid $domains[2].Uuid
        $domains[3] | Stop-LvmDomain
        Stop-LvmDomain (Get-TestName 'e*')
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'does what the configuration says of a power-off, and returns what is left with -PassThru' {
        $kept = New-TestDomain kept -OnPoweroff Preserve
        $again = New-TestDomain again -OnPoweroff Restart
        $null = New-TestDomain gone
        $left = Stop-LvmDomain (Get-TestName '*') -PassThru | Sort-Object Name
        $left.Name | Should -Be (Get-TestName again), (Get-TestName kept)
        $left[0].Uuid, ($left[0].Id -ne $again.Id) | Should -Be $again.Uuid, $true
        $left[1].Id, $left[1].State, $left[1].ShutdownReason | Should -Be $kept.Id, 'Shutdown', 'Poweroff'
        Get-LvmDomain (Get-TestName gone) -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
    }

    It 'asks all before it waits for the first' {
        $null = New-TestDomain deaf -Deaf
        'a', 'b', 'c' | ForEach-Object { $null = New-TestDomain $_ -OnPoweroff Preserve }
        $ended = Get-LvmDomain (Get-TestName '*') | Stop-LvmDomain -Timeout 5 -PassThru -ErrorAction SilentlyContinue -ErrorVariable problem
        $ended.Name | Sort-Object | Should -Be (Get-TestName a), (Get-TestName b), (Get-TestName c)
        $problem | Get-ErrorId | Should -Be 'ShutdownTimeout'
        $problem.CategoryInfo.Category | Should -Be 'OperationTimeout'
        $problem.TargetObject.Name | Should -Be (Get-TestName deaf)
        (Get-LvmDomain (Get-TestName deaf)).State | Should -BeIn 'Blocked', 'Running', 'Runnable'
    }

    It 'destroys what does not end in time, and what cannot be asked, with -Force' {
        $null = New-TestDomain deaf -Deaf
        $null = New-TestDomain paused -Paused
        Stop-LvmDomain (Get-TestName paused) -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainInvalidState'
        Stop-LvmDomain (Get-TestName '*') -Force -Timeout 1 -ErrorAction Stop
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'turns off at once, whatever the configuration says' {
        $null = New-TestDomain deaf -Deaf -OnPoweroff Restart
        $null = New-TestDomain paused -Paused -OnPoweroff Preserve
        Stop-LvmDomain (Get-TestName '*') -TurnOff -PassThru -ErrorAction Stop | Should -BeNullOrEmpty
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'only asks with -NoWait' {
        $null = New-TestDomain deaf -Deaf
        $kept = New-TestDomain kept -OnPoweroff Preserve
        (Stop-LvmDomain (Get-TestName '*') -NoWait -PassThru).Name | Sort-Object | Should -Be (Get-TestName deaf), (Get-TestName kept)
        (Wait-LvmDomain -InputObject $kept -For Shutdown -Timeout 60 -PassThru).ShutdownReason | Should -Be 'Poweroff'
        (Get-LvmDomain (Get-TestName deaf)).State | Should -Not -Be 'Shutdown'
    }

    It 'changes nothing with -WhatIf' {
        $null = New-TestDomain a
        Stop-LvmDomain (Get-TestName '*') -WhatIf
        Stop-LvmDomain (Get-TestName '*') -TurnOff -WhatIf
        Stop-LvmDomain (Get-TestName '*') -NoWait -WhatIf
        (Get-LvmDomain (Get-TestName a)).State | Should -BeIn 'Blocked', 'Running', 'Runnable'
    }

    It 'goes on after a name that nobody has, a domain that is gone and the control domain' {
        $gone = New-TestDomain gone
        Remove-LvmDomain -InputObject $gone -Force
        $null = New-TestDomain a
        Stop-LvmDomain (Get-TestName nobody), Domain-0, (Get-TestName a) -ErrorAction SilentlyContinue -ErrorVariable problems
        $problems | Get-ErrorId | Should -Be 'DomainNotFound', 'DomainProtected'
        Stop-LvmDomain -InputObject $gone -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainGone'
        Get-LvmDomain (Get-TestName a) -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
    }

    It 'takes the request back when it is stopped itself' -Skip:$onXen {
        $null = New-TestDomain paused-later -Deaf
        $inner = [powershell]::Create()
        $null = $inner.AddScript({
                param($Module, $Name)
                Import-Module $Module
                Stop-LvmDomain $Name -Force -Timeout 86400
            }).AddParameters(@{ Module = Get-TestModulePath; Name = Get-TestName paused-later })
        $running = $inner.BeginInvoke()
        while ($inner.InvocationStateInfo.State -ne 'Running') { Start-Sleep -Milliseconds 1 }
        $inner.Stop()
        $running.IsCompleted | Should -BeTrue
        $inner.InvocationStateInfo.State | Should -Be 'Stopped'
        $inner.Dispose()
        (Get-LvmDomain (Get-TestName paused-later)).State | Should -Be 'Blocked'
    }
}

Describe 'Restart-LvmDomain' {
    AfterEach { Clear-TestDomain }

    It 'restarts by name, pattern, id, uuid and object, without output' {
        $domains = 'a', 'b', 'c', 'd', 'e' | ForEach-Object { New-TestDomain $_ -OnReboot Destroy }
        Restart-LvmDomain (Get-TestName a) | Should -BeNullOrEmpty
        Restart-LvmDomain -Id $domains[1].Id
        Restart-LvmDomain -Uuid $domains[2].Uuid
        $domains[3, 4] | Restart-LvmDomain
        $again = Get-LvmDomain (Get-TestName '*') | Sort-Object Name
        $again.Name | Should -Be $domains.Name
        $again.Uuid | Should -Be $domains.Uuid
        $again.Id | Should -Not -BeIn $domains.Id
    }

    It 'returns the domains that run now with -PassThru' {
        $null = 'a', 'b' | ForEach-Object { New-TestDomain $_ }
        $again = Restart-LvmDomain (Get-TestName '*') -PassThru
        $again.Name | Sort-Object | Should -Be (Get-TestName a), (Get-TestName b)
        $again.Creation.Steps.Name | Should -Contain 'memory'
    }

    It 'restarts what does not end in time, and what cannot be asked, with -Force only' {
        $null = New-TestDomain deaf -Deaf
        $null = New-TestDomain paused -Paused
        Restart-LvmDomain (Get-TestName '*') -Timeout 1 -ErrorAction SilentlyContinue -ErrorVariable problems
        $problems | Get-ErrorId | Sort-Object | Should -Be 'DomainInvalidState', 'ShutdownTimeout'
        (Restart-LvmDomain (Get-TestName '*') -Timeout 1 -Force -PassThru).Count | Should -Be 2
        (Get-LvmDomain (Get-TestName '*')).State | Should -Not -Contain 'Paused'
    }

    It 'starts again what has crashed' {
        $null = New-LvmDomain (Get-TestName crashed) -Kernel $kernel -MemoryMiB 4 -CommandLine crash -OnCrash Preserve | Wait-LvmDomain -For Shutdown -Timeout 60 -PassThru
        (Restart-LvmDomain (Get-TestName crashed) -PassThru).Name | Should -Be (Get-TestName crashed)
    }

    It 'changes nothing with -WhatIf' {
        $domain = New-TestDomain a
        Restart-LvmDomain (Get-TestName '*') -WhatIf
        (Get-LvmDomain (Get-TestName a)).Id | Should -Be $domain.Id
    }
}
