BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    $idle = New-LvmDomain -Name (Get-TestName idle) -Kernel $kernel -MemoryMiB 4 -Count 3
    $busy = New-LvmDomain -Name (Get-TestName busy) -Kernel $kernel -MemoryMiB 8 -CommandLine spin
}

AfterAll {
    Clear-TestDomain
    Disconnect-LvmHost
}

Describe 'Measure-LvmDomain' {
    It 'tells of each domain what it uses' {
        $measured = Measure-LvmDomain (Get-TestName '*') -Interval 200
        $measured.Name | Should -Be @((Get-LvmDomain (Get-TestName '*')).Name)
        $worker = $measured | Where-Object Id -EQ $busy.Id
        $worker.CpuPercent | Should -BeGreaterThan 0
        $worker.CpuTime | Should -BeGreaterThan ([timespan]::Zero)
        $worker.MemoryKiB | Should -Be 8192 -Because 'that is what it has'
        $worker.Interval | Should -BeGreaterOrEqual ([timespan]::FromMilliseconds(200))
        $worker.Creation | Should -BeNullOrEmpty
        ($measured | Sort-Object CpuPercent -Descending)[0].Name | Should -Be $busy.Name
    }

    It 'measures all domains where none is named' {
        (Measure-LvmDomain -Interval 0).Name | Should -Be @((Get-LvmDomain).Name)
    }

    It 'tells no use of the processor without an interval' {
        (Measure-LvmDomain -Id $busy.Id -Interval 0).CpuPercent | Should -Be 0
    }

    It 'gives the sums of all, with the mean of the creations that are known' {
        $total = $idle + $busy | Measure-LvmDomain -Total -Interval 0
        $total.Count, $total.MemoryKiB, $total.CreationCount | Should -Be 4, ((Get-LvmDomain (Get-TestName '*') | Measure-Object MemoryKiB -Sum).Sum), 4
        $total.CreationDuration.Ticks | Should -BeGreaterThan 0
        $total.CreationSteps.Name | Should -Be $busy.Creation.Steps.Name
        ($total | Out-String) | Should -Match 'Creation steps'
        (Get-LvmDomain (Get-TestName '*') | Measure-LvmDomain -Total -Interval 0).CreationDuration | Should -BeNullOrEmpty
    }

    It 'gives sums of nothing' {
        (Measure-LvmDomain (Get-TestName 'nobody*') -Total).Count | Should -Be 0
        Measure-LvmDomain (Get-TestName 'nobody*') | Should -BeNullOrEmpty
    }

    It 'reports those that there are not, and measures the others' {
        $gone = New-LvmDomain -Name (Get-TestName gone) -Kernel $kernel -MemoryMiB 4
        $gone | Remove-LvmDomain -Force
        $gone, $busy | Measure-LvmDomain -Interval 0 -ErrorAction SilentlyContinue -ErrorVariable problem | ForEach-Object Id | Should -Be $busy.Id
        $problem | Get-ErrorId | Should -Be 'DomainGone'
        $null = Measure-LvmDomain (Get-TestName nobody) -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainNotFound'
    }

    It 'reads as a table' {
        $text = Measure-LvmDomain (Get-TestName 'idle1') -Interval 0 | Out-String
        $text | Should -Match 'Name +ID +CPU\(%\) +CPU time\(s\) +Mem\(KiB\)'
    }
}
