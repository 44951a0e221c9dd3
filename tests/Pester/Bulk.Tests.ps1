BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $onXen = Test-OnXen
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    # A real machine under emulation is given less to do.
    $many = (Test-OnXen) ? 12 : 200
    $config = Write-TestConfig "$TestDrive/bulk.json" (Get-TestName b) $kernel
    function Get-TestDomain([string] $Pattern = '*') { Get-LvmDomain (Get-TestName $Pattern) }
}

AfterAll {
    Clear-TestDomain
    Disconnect-LvmHost
}

Describe 'New-LvmDomain of many' {
    AfterEach { Clear-TestDomain }

    It 'makes one domain of each that the pipeline brings, with a script block for the name' {
        $prefix = Get-TestName p
        $made = 1..$many | New-LvmDomain -Config $config -Name { "$prefix$_" }
        $made.Name | Sort-Object | Should -Be (1..$many | ForEach-Object { "$prefix$_" } | Sort-Object)
        $made.Uuid | Select-Object -Unique | Should -HaveCount $many
    }

    It 'takes names out of the pipeline beside -Config' {
        (Get-TestName x), (Get-TestName y) | New-LvmDomain -Config $config | ForEach-Object Name | Sort-Object | Should -Be (Get-TestName x), (Get-TestName y)
    }

    It 'does not take the name of a file for that of its domain' {
        Get-Item $config | New-LvmDomain | ForEach-Object Name | Should -Be (Get-TestName b)
    }

    It 'takes the path of a configuration relative to the current location' {
        Push-Location $TestDrive
        try { (New-LvmDomain -Config bulk.json).Name | Should -Be (Get-TestName b) } finally { Pop-Location }
        { New-LvmDomain -Config "$TestDrive/nowhere.json" } | Should -Throw -ErrorId 'ParameterArgumentTransformationError*'
    }

    It 'names the domains of -Count by -NamePattern, with -ThrottleLimit <Limit>' -ForEach @(@{ Limit = 1 }, @{ Limit = 4 }) {
        $pattern = (Get-TestName n) + '{0:d4}'
        $made = New-LvmDomain -Path $config -Count $many -NamePattern $pattern -ThrottleLimit $Limit
        $made.Name | Sort-Object | Should -Be (1..$many | ForEach-Object { $pattern -f $_ })
        { New-LvmDomain -Path $config -NamePattern $pattern } | Should -Throw '*-Count*'
    }

    It 'refuses before the first what there is not enough for, and says for how many it would be' {
        New-LvmDomain $config -MemoryMiB 1048576 -Count 3 -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'InsufficientMemory'
        "$problem" | Should -BeLike '*enough for 0 of them*'
        $problem.TargetObject | Should -Be $config
        Get-TestDomain | Should -BeNullOrEmpty
    }

    It 'shows how far it has got' {
        $shell = [powershell]::Create()
        try {
            $null = $shell.AddScript('param($module, $config, $pattern, $many) Import-Module $module; New-LvmDomain $config -Count $many -NamePattern $pattern').AddArgument((Get-TestModulePath)).AddArgument($config).AddArgument((Get-TestName s) + '{0}').AddArgument($many)
            $shell.Invoke() | Should -HaveCount $many
            $records = $shell.Streams.Progress | Where-Object Activity -eq 'Creating domains'
            $records[-1].RecordType | Should -Be 'Completed'
            $records[-2].PercentComplete | Should -Be 100
            $records[-2].StatusDescription | Should -BeLike "$many of $many done, 0 failed, */s"
        }
        finally { $shell.Dispose() }
    }

    It 'keeps those that a later command was given, and no other, when that wants no more' {
        $first = New-LvmDomain $config -Count $many | Select-Object -First 2
        (Get-TestDomain).Uuid | Sort-Object | Should -Be ($first.Uuid | Sort-Object)
    }

    It 'removes a series again that Ctrl+C stops, and keeps it with -KeepCompleted' -ForEach @(@{ Keep = $false }, @{ Keep = $true }) {
        $shell = [powershell]::Create()
        try {
            # Stopped when the first has come out, which the loop holds up until then.
            $reached = [Threading.ManualResetEventSlim]::new()
            $script = 'param($module, $config, $pattern, $many, $reached, $keep) Import-Module $module; New-LvmDomain $config -Count $many -NamePattern $pattern -ThrottleLimit 2 -KeepCompleted:$keep | ForEach-Object { $_; $reached.Set(); while ($true) { Start-Sleep -Milliseconds 20 } }'
            $null = $shell.AddScript($script).AddArgument((Get-TestModulePath)).AddArgument($config).AddArgument((Get-TestName c) + '{0}').AddArgument($many).AddArgument($reached).AddArgument($Keep)
            $output = [Management.Automation.PSDataCollection[psobject]]::new()
            $running = $shell.BeginInvoke([Management.Automation.PSDataCollection[psobject]]::new(), $output)
            $reached.Wait(60000) | Should -BeTrue
            $shell.Stop()
            try { $null = $shell.EndInvoke($running) } catch [Management.Automation.PipelineStoppedException] { }
            $output | Should -HaveCount 1
            if ($Keep) { (Get-TestDomain).Uuid | Should -Be $output[0].Uuid } else { Get-TestDomain | Should -BeNullOrEmpty }
        }
        finally { $shell.Dispose() }
    }

    It 'creates beside the session with -AsJob' {
        $job = New-LvmDomain $config -Count $many -AsJob
        $null = $job | Wait-Job -Timeout 300
        $job.State, $job.PSJobTypeName | Should -Be 'Completed', 'CreationJob'
        $job | Receive-Job | Should -HaveCount $many
        $job.ChildJobs | Should -BeNullOrEmpty
        Get-TestDomain | Should -HaveCount $many
        $job | Remove-Job
    }

    It 'tells what goes wrong in a job, and ends it as failed where nothing could be made of it' {
        $job = New-LvmDomain $config -MemoryMiB 1048576 -Count 3 -AsJob
        $null = $job | Wait-Job -Timeout 60
        $job | Receive-Job -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'InsufficientMemory'
        $job | Remove-Job
    }
}

Describe 'Many domains at once' {
    BeforeEach { $null = New-LvmDomain $config -Count $many }
    AfterEach { Clear-TestDomain }

    It 'are paused, resumed and removed, several at a time' {
        $domains = Get-TestDomain
        $domains | Suspend-LvmDomain -PassThru -ThrottleLimit 3 | Where-Object State -eq Paused | Should -HaveCount $many
        Resume-LvmDomain (Get-TestName '*') -ThrottleLimit 3
        Get-TestDomain | Where-Object State -eq Paused | Should -BeNullOrEmpty
        $domains | Remove-LvmDomain -Force -ThrottleLimit 3 | Should -BeNullOrEmpty
        Get-TestDomain | Should -BeNullOrEmpty
    }

    It 'have errors of their own' {
        $domains = Get-TestDomain
        $domains[1], $domains[3] | Remove-LvmDomain -Force
        $domains | Remove-LvmDomain -Force -ThrottleLimit 3 -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainGone', 'DomainGone'
        $problem.TargetObject.Id | Sort-Object | Should -Be $domains[1].Id, $domains[3].Id
        Get-TestDomain | Should -BeNullOrEmpty
    }

    It 'are shut down' {
        Get-TestDomain | Stop-LvmDomain -ThrottleLimit 3
        Get-TestDomain | Should -BeNullOrEmpty
    }

    It 'are saved into a folder' {
        $folder = New-Item -ItemType Directory "$TestDrive/images"
        (Get-TestDomain | Select-Object -First 5 | Save-LvmDomain -Path $folder -ThrottleLimit 3).State | Should -Be ((@('Whole')) * 5)
        Get-ChildItem $folder | Should -HaveCount 5
        $folder | Remove-Item -Recurse
    }
}
