# Moving to another host: a receiver on a simulated machine of its own, reached over the loopback interface.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    # What the simulated guest is, Xen cannot take; two machines with Xen are the lab's affair.
    $skip = Test-OnXen
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive

    # Starts a receiver, and gives its process and its port.
    function Start-Receiver {
        $path = [IO.Path]::GetFullPath("$PSScriptRoot/../../artifacts/bin/lightvm")
        $start = [Diagnostics.ProcessStartInfo]::new($path, [string[]] ('--simulated', 'receive', '--plain', '0'))
        $start.RedirectStandardError = $true
        # No key: plain TCP is all that it listens at.
        $start.Environment['LIGHTVM_TRUST'] = Join-Path $TestDrive 'nobody'
        $process = [Diagnostics.Process]::Start($start)
        $line = $process.StandardError.ReadLine()
        if ($line -notmatch '127\.0\.0\.1:(\d+) ') { throw "the receiver says: $line" }
        [pscustomobject]@{ Process = $process; Port = [int] $Matches[1] }
    }
}

AfterAll {
    if (-not (Test-OnXen)) { Clear-TestDomain }
    Disconnect-LvmHost
}

Describe 'Move-LvmDomain and Compare-LvmDomain' -Skip:$skip {
    BeforeAll {
        $receiver = Start-Receiver
        $there = @{ ComputerName = 'localhost'; Transport = 'Plain'; Port = $receiver.Port }
        function New-TestDomain([string] $Name, [string] $CommandLine = '', [string] $Bridge) {
            $vif = $Bridge ? @{ Vif = @{ Bridge = $Bridge } } : @{}
            New-LvmDomain -Name (Get-TestName $Name) -Kernel $kernel -MemoryMiB 4 -CommandLine $CommandLine @vif
        }
    }

    AfterAll {
        $receiver.Process.Kill()
        $receiver.Process.WaitForExit()
    }

    AfterEach { Clear-TestDomain }

    It 'moves a domain, and says what it took' {
        $domain = New-TestDomain a -Bridge xenbr0
        $moved = Move-LvmDomain $domain.Name @there -WarningVariable warnings -WarningAction SilentlyContinue
        $moved.GetType().Name, $moved.Name, $moved.Uuid | Should -Be 'MoveResult', $domain.Name, $domain.Uuid
        $moved.BytesSent | Should -BeGreaterThan 4096
        $moved.Downtime | Should -BeLessOrEqual $moved.TotalTime
        # A PV guest is suspended first.
        $moved.IsLive | Should -BeFalse
        $warnings | Should -Match 'suspended first'
        Get-LvmDomain $domain.Name -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $moved | Out-String | Should -Match "$($domain.Name).+plain://localhost"
    }

    It 'moves what the pipeline brings, and goes on after a failure' {
        $names = 'b', 'c', 'd' | ForEach-Object { (New-TestDomain $_).Name }
        Suspend-LvmDomain $names[1]
        $moved = Get-LvmDomain $names | Move-LvmDomain @there -WarningAction SilentlyContinue -ErrorAction SilentlyContinue -ErrorVariable problem
        $moved.Name | Should -Be $names[0], $names[2]
        $problem | Get-ErrorId | Should -Be 'DomainInvalidState'
        (Get-LvmDomain $names[1]).State | Should -Be 'Paused'
    }

    It 'asks before, and does nothing with -WhatIf' {
        $domain = New-TestDomain e
        Move-LvmDomain $domain.Name @there -WhatIf
        (Get-LvmDomain $domain.Name).State | Should -Be 'Blocked'
    }

    It 'asks the other host what would prevent it' {
        $domain = New-TestDomain f
        $report = Compare-LvmDomain $domain.Name @there
        $report.IsPossible, $report.IsLive, $report.TargetXen | Should -Be $true, $false, '4.17.0'
        # The kernel is there, because both are this machine.
        $report.Obstacles | Should -BeNullOrEmpty
        $moved = Move-LvmDomain $domain.Name @there -WarningAction SilentlyContinue
        $again = New-LvmDomain -Name $moved.Name -Kernel $kernel -MemoryMiB 4
        (Compare-LvmDomain $again.Name @there).Obstacles.ErrorId | Should -Be 'DomainNameTaken'
        { Move-LvmDomain $again.Name @there -ErrorAction Stop } | Should -Throw -ErrorId 'DomainNameTaken*'
        (Get-LvmDomain $again.Name).State | Should -Be 'Blocked'
    }

    It 'moves in a job' {
        $domain = New-TestDomain g
        $job = Move-LvmDomain $domain.Name @there -AsJob
        $job | Should -BeOfType System.Management.Automation.Job
        $moved = Receive-Job $job -Wait -WarningAction SilentlyContinue
        $moved.Name | Should -Be $domain.Name
        $job.State | Should -Be 'Completed'
        Remove-Job $job
    }

    It 'lets the guest go on when the job is stopped' {
        # It does not hear that it should suspend itself.
        $domain = New-TestDomain h noxs
        $job = Move-LvmDomain $domain.Name @there -AsJob
        Stop-Job $job
        $job.State | Should -Be 'Stopped'
        Receive-Job $job -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'OperationCancelled'
        Remove-Job $job
        (Get-LvmDomain $domain.Name).State | Should -Be 'Blocked'
    }

    It 'takes no risk that was not asked for' {
        $domain = New-TestDomain i
        { Move-LvmDomain $domain.Name 192.0.2.1 -Transport Plain -ErrorAction Stop } | Should -Throw -ErrorId 'InsecureTransportRefused*'
        { Move-LvmDomain $domain.Name 'a b' -Transport Ssh -ErrorAction Stop } | Should -Throw -ErrorId 'HostNameInvalid*'
        { Move-LvmDomain $domain.Name @there -MaximumDowntime 100 -ErrorAction Stop } | Should -Throw -ErrorId 'DowntimeTooLong*'
        (Get-LvmDomain $domain.Name).State | Should -Be 'Blocked'
    }
}

Describe 'Resolve-LvmMove' -Skip:$skip {
    AfterEach { Clear-TestDomain }

    It 'says where there is nothing to resolve' {
        $domain = New-LvmDomain -Name (Get-TestName r) -Kernel $kernel -MemoryMiB 4
        { Resolve-LvmMove $domain.Name -ErrorAction Stop } | Should -Throw -ErrorId 'DomainInvalidState*'
        { Resolve-LvmMove $domain.Name -GoesOn Here -Force -ErrorAction Stop } | Should -Throw -ErrorId 'DomainInvalidState*'
        (Get-LvmDomain $domain.Name).State | Should -Be 'Blocked'
    }
}
