BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $onXen = Test-OnXen
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    # One small domain under a name of its own.
    function New-TestDomain([string] $Name, [switch] $Paused) {
        New-LvmDomain -Name (Get-TestName $Name) -Kernel $kernel -MemoryMiB 4 -Paused:$Paused
    }
}

AfterAll {
    Clear-TestDomain
    Disconnect-LvmHost
}

Describe 'New-LvmDomain' {
    AfterEach { Clear-TestDomain }

    It 'creates a domain from parameters and returns it' {
        $name = Get-TestName web
        $domain = New-LvmDomain -Name $name -Kernel $kernel -MemoryMiB 4 -CommandLine 'hello'
        $domain | Should -BeOfType LightVM.Domains.Domain
        $domain.Name, $domain.VcpuCount, $domain.MemoryMiB, $domain.Type | Should -Be $name, 1, 4, 'PV'
        $domain.Creation.Duration | Should -BeGreaterThan ([timespan]::Zero)
        $domain.Creation.Steps.Name | Should -Contain 'memory'
        (Get-LvmDomain $name).Uuid | Should -Be $domain.Uuid
    }

    It 'takes the name by position' {
        (New-LvmDomain (Get-TestName web) -Kernel $kernel -MemoryMiB 4).Name | Should -Be (Get-TestName web)
    }

    It 'creates a domain from a file, and parameters go over it' {
        $file = Write-TestConfig (Join-Path $TestDrive web.json) (Get-TestName web) $kernel
        (New-LvmDomain $file).Name | Should -Be (Get-TestName web)
        $uuid = [guid]::NewGuid()
        $domain = New-LvmDomain -Path $file -Name (Get-TestName web7) -MemoryMiB 8 -VcpuCount 2 -Paused -Uuid $uuid
        $domain.Name, $domain.MemoryMiB, $domain.MaxVcpuCount, $domain.State, $domain.Uuid | Should -Be (Get-TestName web7), 8, 2, 'Paused', $uuid
    }

    It 'creates domains from files of the pipeline and with wildcards' {
        $directory = (New-Item -ItemType Directory (Join-Path $TestDrive ([guid]::NewGuid()))).FullName
        foreach ($name in 'a', 'b') { $null = Write-TestConfig (Join-Path $directory "$name.json") (Get-TestName $name) $kernel }
        (Get-ChildItem $directory | New-LvmDomain).Name | Should -Be (Get-TestName a), (Get-TestName b)
        Clear-TestDomain
        (New-LvmDomain "$directory/*.json").Name | Should -Be (Get-TestName a), (Get-TestName b)
        Clear-TestDomain
        ((Join-Path $directory a.json) | New-LvmDomain).Name | Should -Be (Get-TestName a)
        New-LvmDomain "$directory/*.none" -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'creates domains from configurations' {
        $config = New-LvmDomainConfig (Get-TestName web) -Kernel $kernel -MemoryMiB 4
        ($config | New-LvmDomain).Name | Should -Be (Get-TestName web)
        (New-LvmDomain -Config $config -Name (Get-TestName other)).Name | Should -Be (Get-TestName other)
    }

    It 'finds guests that come with LightVM by their names, and completes these' {
        $made = New-LvmDomain -Name (Get-TestName idle) -Guest idle
        $made.MemoryMiB | Should -Be 4
        $made.VcpuCount | Should -Be 1
        (TabExpansion2 'New-LvmDomain -Name x -Guest id').CompletionMatches.CompletionText | Should -Be 'idle'
    }

    It 'says which guests there are when it is asked for another one' {
        New-LvmDomain -Name (Get-TestName none) -Guest nosuch -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'GuestNotFound'
        $problem.CategoryInfo.Category | Should -Be 'ObjectNotFound'
        "$problem" | Should -Match 'idle'
    }

    It 'starts relative paths inside of a file at the current location' -Skip:$onXen {
        $file = Write-TestConfig (Join-Path $TestDrive relative.json) (Get-TestName web) 'tiny'
        Push-Location $TestDrive
        try { (New-LvmDomain relative.json).Name | Should -Be (Get-TestName web) } finally { Pop-Location }
        Push-Location /
        try {
            New-LvmDomain $file -Name (Get-TestName other) -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
            $problem | Get-ErrorId | Should -Be 'KernelNotFound'
        }
        finally { Pop-Location }
    }

    It 'numbers the names of -Count from 1' {
        ((New-LvmDomain -Name (Get-TestName n) -Kernel $kernel -MemoryMiB 4 -Count 3).Name | Sort-Object) | Should -Be (Get-TestName n1), (Get-TestName n2), (Get-TestName n3)
        (New-LvmDomain -Name (Get-TestName m) -Kernel $kernel -MemoryMiB 4 -Count 1).Name | Should -Be (Get-TestName m1)
    }

    It 'passes over a name that is taken, and goes on with the next' {
        $null = New-TestDomain n2
        $made = New-LvmDomain -Name (Get-TestName n) -Kernel $kernel -MemoryMiB 4 -Count 3 -ErrorAction SilentlyContinue -ErrorVariable problem
        ($made.Name | Sort-Object) | Should -Be (Get-TestName n1), (Get-TestName n3) # they come as they are ready
        $problem | Get-ErrorId | Should -Be 'DomainNameTaken'
        $problem.CategoryInfo.Category | Should -Be 'ResourceExists'
        $problem.TargetObject | Should -Be (Get-TestName n2)
    }

    It 'tells a failure that all of -Count would share only once' {
        New-LvmDomain -Name (Get-TestName n) -Kernel /does/not/exist -MemoryMiB 4 -Count 5 -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem.Count | Should -Be 1
        $problem | Get-ErrorId | Should -Be 'KernelNotFound'
    }

    It 'refuses one uuid for several domains' {
        New-LvmDomain -Name (Get-TestName n) -Kernel $kernel -MemoryMiB 4 -Count 2 -Uuid ([guid]::NewGuid()) -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'ConfigInvalid'
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'makes nothing with -WhatIf, and needs no host for it' {
        $file = Write-TestConfig (Join-Path $TestDrive web.json) (Get-TestName web) $kernel
        Disconnect-LvmHost
        New-LvmDomain $file -Count 2 -WhatIf -ErrorAction Stop | Should -BeNullOrEmpty
        Connect-TestHost
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'does not let a bad item stop the others' {
        $good = Write-TestConfig (Join-Path $TestDrive good.json) (Get-TestName good) $kernel
        $bad = Write-TestConfig (Join-Path $TestDrive bad.json) 'two words' $kernel
        $absent = Join-Path $TestDrive absent.json
        $kernelless = Write-TestConfig (Join-Path $TestDrive kernelless.json) (Get-TestName x) /does/not/exist
        $made = $bad, $absent, $kernelless, $good | New-LvmDomain -ErrorAction SilentlyContinue -ErrorVariable problems
        $made.Name | Should -Be (Get-TestName good)
        $problems | Get-ErrorId | Should -Be 'ConfigInvalid', 'ConfigNotFound', 'KernelNotFound'
        $problems.TargetObject | Should -Be $bad, $absent, (Get-TestName x)
        $problems.CategoryInfo.Category | Should -Be 'InvalidArgument', 'ObjectNotFound', 'ObjectNotFound'
    }

    It 'leaves nothing behind of <Id>' -ForEach @(
        @{ Id = 'KernelInvalid'; Category = 'InvalidArgument'; With = @{ Kernel = $PSCommandPath; MemoryMiB = 4 } }
        @{ Id = 'InsufficientMemory'; Category = 'LimitsExceeded'; With = @{ MemoryMiB = 16777216 } }
        @{ Id = 'RamdiskNotFound'; Category = 'ObjectNotFound'; With = @{ MemoryMiB = 4; Ramdisk = '/does/not/exist' } }
        @{ Id = 'CpuNotFound'; Category = 'InvalidArgument'; With = @{ MemoryMiB = 4; CpuMap = , @(255) } }
        @{ Id = 'DomainNameTaken'; Category = 'ResourceExists'; With = @{ Name = 'Domain-0'; MemoryMiB = 4 } }
    ) {
        $before = @(Get-LvmDomain).Count
        $parameters = @{ Name = Get-TestName web; Kernel = $kernel }
        foreach ($key in $With.Keys) { $parameters[$key] = $With[$key] }
        $made = New-LvmDomain @parameters -ErrorAction SilentlyContinue -ErrorVariable problem
        # Not to be left to the tests that follow: it may be called Domain-0.
        $made | Remove-LvmDomain -Force
        $made | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be $Id
        $problem.CategoryInfo.Category | Should -Be $Category
        $problem.TargetObject | Should -Be $parameters.Name
        $problem.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        @(Get-LvmDomain).Count | Should -Be $before
    }

    It 'asks for what is missing where nothing says what to make' {
        { New-LvmDomain -Name x -Kernel $kernel -Path y.json -ErrorAction Stop } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
        { New-LvmDomain -Name x -Kernel $kernel -MemoryMiB 0 } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
        { New-LvmDomain -Name x -Kernel $kernel -MemoryMiB 4 -Type HVM } | Should -Throw
    }

    It 'stops at once and leaves nothing half-made' {
        $free = (Get-LvmHost).FreeMemoryMiB
        $before = @(Get-LvmDomain).Count
        $all = if (Test-OnXen) { 200 } else { 10000 }
        $inner = [powershell]::Create()
        $null = $inner.AddScript({
                param($Module, $Name, $Kernel, $Count)
                Import-Module $Module
                New-LvmDomain -Name $Name -Kernel $Kernel -MemoryMiB 4 -Count $Count -ThrottleLimit 1 -KeepCompleted
            }).AddParameters(@{ Module = Get-TestModulePath; Name = Get-TestName stopped; Kernel = $kernel; Count = $all })
        $running = $inner.BeginInvoke()
        # The newest one listed may be half-made and go again: with four of them, three are whole.
        while (@(Get-LvmDomain (Get-TestName 'stopped*')).Count -lt 4) { Start-Sleep -Milliseconds 1 }
        $watch = [Diagnostics.Stopwatch]::StartNew()
        $inner.Stop()
        $watch.Elapsed | Should -BeLessThan ([timespan]::FromSeconds(5))
        $inner.InvocationStateInfo.State | Should -Be 'Stopped'
        $inner.Dispose()
        $running.IsCompleted | Should -BeTrue

        $left = @(Get-LvmDomain (Get-TestName 'stopped*'))
        $left.Count | Should -BeGreaterOrEqual 3
        $left.Count | Should -BeLessThan $all
        # Whole: named without a gap, with all their memory, started; and there is nothing besides.
        $left.Name | Should -Be (1..$left.Count | ForEach-Object { Get-TestName "stopped$_" })
        $left | ForEach-Object { $_.MemoryMiB | Should -Be 4; $_.State | Should -Not -Be 'Paused' }
        @(Get-LvmDomain).Count | Should -Be ($before + $left.Count)
        Clear-TestDomain
        if (-not (Test-OnXen)) { (Get-LvmHost).FreeMemoryMiB | Should -Be $free }
    }
}

Describe 'Get-LvmDomain' {
    BeforeAll {
        'web1', 'web2', 'db' | ForEach-Object { New-TestDomain $_ } | Out-Null
        $web1 = Get-LvmDomain (Get-TestName web1)
    }

    AfterAll { Clear-TestDomain }

    It 'lists all domains in the order of their ids, the control domain first' {
        $all = Get-LvmDomain
        $all[0].Id | Should -Be 0
        $all[0].Name | Should -Be 'Domain-0'
        $all.Id | Should -Be ($all.Id | Sort-Object)
        $all.Name | Should -Contain (Get-TestName db)
    }

    It 'finds by name, by pattern, and by several of both' {
        (Get-LvmDomain (Get-TestName web1)).Name | Should -Be (Get-TestName web1)
        (Get-LvmDomain (Get-TestName 'web?')).Name | Should -Be (Get-TestName web1), (Get-TestName web2)
        (Get-LvmDomain (Get-TestName db), (Get-TestName '*b[1-9]')).Name | Should -Be (Get-TestName db), (Get-TestName web1), (Get-TestName web2)
        ((Get-TestName db), (Get-TestName web2) | Get-LvmDomain).Name | Should -Be (Get-TestName db), (Get-TestName web2)
    }

    It 'finds by id and uuid' {
        (Get-LvmDomain -Id $web1.Id, 0).Name | Should -Be (Get-TestName web1), 'Domain-0'
        (Get-LvmDomain -Uuid $web1.Uuid).Id | Should -Be $web1.Id
    }

    It 'looks at an object anew' {
        $db = Get-LvmDomain (Get-TestName db)
        Suspend-LvmDomain -InputObject $db
        ($db | Get-LvmDomain).State | Should -Be 'Paused'
        Resume-LvmDomain -InputObject $db
    }

    It 'says of a name that nobody has that there is none, and gives the others' {
        $found = Get-LvmDomain (Get-TestName nobody), (Get-TestName db) -ErrorAction SilentlyContinue -ErrorVariable problem
        $found.Name | Should -Be (Get-TestName db)
        $problem | Get-ErrorId | Should -Be 'DomainNotFound'
        $problem.FullyQualifiedErrorId | Should -Match '^DomainNotFound,'
        $problem.CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $problem.TargetObject | Should -Be (Get-TestName nobody)
    }

    It 'tells names apart by case, and takes a pattern that matches nothing' {
        Get-LvmDomain (Get-TestName WEB1) -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        Get-LvmDomain (Get-TestName 'WEB*') -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'has ids and uuids that nobody has as targets of their errors' {
        $uuid = [guid]::NewGuid()
        Get-LvmDomain -Id 32000 -ErrorAction SilentlyContinue -ErrorVariable byId | Should -BeNullOrEmpty
        Get-LvmDomain -Uuid $uuid -ErrorAction SilentlyContinue -ErrorVariable byUuid | Should -BeNullOrEmpty
        $byId.TargetObject, $byUuid.TargetObject | Should -Be 32000, $uuid
        $byId, $byUuid | ForEach-Object { $_ | Get-ErrorId } | Should -Be 'DomainNotFound', 'DomainNotFound'
    }

    It 'reads like xl list' {
        $text = Get-LvmDomain (Get-TestName 'web*') | Out-String -Width 160
        $text | Should -Match 'Name\s+ID\s+State\s+VCPUs\s+Mem\(MiB\)\s+CPU time\(s\)\s+Uptime'
        $text | Should -Match "(?m)^$([regex]::Escape((Get-TestName web1)))\s+$($web1.Id)\s+\w+\s+1\s+4\s+\d+\.\d\s+\d\d:\d\d:\d\d"
        @($text -split '\r?\n' -match '\S').Count | Should -Be 4
    }

    It 'shows everything as a list, with the time of the creation where it is known' {
        $text = Get-LvmDomain (Get-TestName web1) | Format-List | Out-String -Width 200
        $text | Should -Match "Uuid\s+: $($web1.Uuid)"
        $text | Should -Match 'Memory limit\s+: \d+ KiB'
        $text | Should -Not -Match 'Created in'
        New-TestDomain timed | Format-List | Out-String -Width 400 | Should -Match 'Created in\s+: \d+\.\d{3} ms'
    }

    It 'shows why a domain has ended' {
        $crashed = New-LvmDomain (Get-TestName ended) -Kernel $kernel -MemoryMiB 4 -CommandLine crash
        for ($tries = 0; $tries -lt 100 -and ($crashed | Get-LvmDomain).State -ne 'Crashed'; $tries++) { Start-Sleep -Milliseconds 50 }
        Get-LvmDomain (Get-TestName ended) | Out-String -Width 160 | Should -Match '\sCrashed \(Crash\)\s'
    }
}

Describe 'Suspend- and Resume-LvmDomain' {
    BeforeEach { $domains = 'a', 'b' | ForEach-Object { New-TestDomain $_ } }
    AfterEach { Clear-TestDomain }

    It 'pause and resume by name, without output' {
        Suspend-LvmDomain (Get-TestName a) | Should -BeNullOrEmpty
        (Get-LvmDomain (Get-TestName a)).State | Should -Be 'Paused'
        (Get-LvmDomain (Get-TestName b)).State | Should -Not -Be 'Paused'
        Resume-LvmDomain (Get-TestName a) | Should -BeNullOrEmpty
        (Get-LvmDomain (Get-TestName a)).State | Should -Not -Be 'Paused'
    }

    It 'return the domain as it is with -PassThru, by object, pattern, id and uuid' {
        ($domains | Suspend-LvmDomain -PassThru).State | Should -Be 'Paused', 'Paused'
        (Resume-LvmDomain (Get-TestName '*') -PassThru).State | Should -Not -Contain 'Paused'
        (Suspend-LvmDomain -Id $domains[0].Id -PassThru).State | Should -Be 'Paused'
        (Resume-LvmDomain -Uuid $domains[0].Uuid -PassThru).State | Should -Not -Be 'Paused'
    }

    It 'do nothing twice' {
        Suspend-LvmDomain (Get-TestName a) -ErrorAction Stop
        Suspend-LvmDomain (Get-TestName a) -ErrorAction Stop
        Resume-LvmDomain (Get-TestName a) -ErrorAction Stop
        Resume-LvmDomain (Get-TestName a) -ErrorAction Stop
        (Get-LvmDomain (Get-TestName a)).State | Should -Not -Be 'Paused'
    }

    It 'change nothing with -WhatIf' {
        Suspend-LvmDomain (Get-TestName '*') -WhatIf
        (Get-LvmDomain (Get-TestName '*')).State | Should -Not -Contain 'Paused'
    }

    It 'refuse a domain that has ended' {
        $ended = New-LvmDomain (Get-TestName ended) -Kernel $kernel -MemoryMiB 4 -CommandLine crash
        for ($tries = 0; $tries -lt 100 -and ($ended | Get-LvmDomain).State -ne 'Crashed'; $tries++) { Start-Sleep -Milliseconds 50 }
        $ended | Suspend-LvmDomain -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainInvalidState'
        $problem.CategoryInfo.Category | Should -Be 'InvalidOperation'
        $problem.TargetObject.Id | Should -Be $ended.Id
    }

    It 'go on after a domain that is gone' {
        Remove-LvmDomain (Get-TestName a) -Force
        $paused = $domains | Suspend-LvmDomain -PassThru -ErrorAction SilentlyContinue -ErrorVariable problem
        $paused.Name | Should -Be (Get-TestName b)
        $problem | Get-ErrorId | Should -Be 'DomainGone'
        $problem.TargetObject.Name | Should -Be (Get-TestName a)
    }
}

Describe 'Rename-LvmDomain' {
    BeforeEach { $domains = 'a', 'b' | ForEach-Object { New-TestDomain $_ } }
    AfterEach { Clear-TestDomain }

    It 'renames by name and position, and keeps id and uuid' {
        Rename-LvmDomain (Get-TestName a) (Get-TestName c) | Should -BeNullOrEmpty
        $renamed = Get-LvmDomain (Get-TestName c)
        $renamed.Id, $renamed.Uuid | Should -Be $domains[0].Id, $domains[0].Uuid
    }

    It 'renames each domain of the pipeline with a script block' {
        ($domains | Rename-LvmDomain -NewName { $_.Name + '.old' } -PassThru).Name | Should -Be (Get-TestName a.old), (Get-TestName b.old)
    }

    It 'renames by id and uuid' {
        (Rename-LvmDomain -Id $domains[0].Id -NewName (Get-TestName byid) -PassThru).Name | Should -Be (Get-TestName byid)
        (Rename-LvmDomain -Uuid $domains[0].Uuid -NewName (Get-TestName byuuid) -PassThru).Name | Should -Be (Get-TestName byuuid)
    }

    It 'refuses <Id>' -ForEach @(
        @{ Id = 'DomainNameTaken'; NewName = 'b'; Category = 'ResourceExists' }
        @{ Id = 'DomainNameInvalid'; NewName = 'two words'; Category = 'InvalidArgument' }
    ) {
        Rename-LvmDomain (Get-TestName a) (Get-TestName $NewName) -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be $Id
        $problem.CategoryInfo.Category | Should -Be $Category
        (Get-LvmDomain -Id $domains[0].Id).Name | Should -Be (Get-TestName a)
    }

    It 'changes nothing with -WhatIf' {
        Rename-LvmDomain (Get-TestName a) (Get-TestName c) -WhatIf
        (Get-LvmDomain -Id $domains[0].Id).Name | Should -Be (Get-TestName a)
    }
}

Describe 'Remove-LvmDomain' {
    BeforeEach { $domains = 'a', 'b', 'c' | ForEach-Object { New-TestDomain $_ } }
    AfterEach { Clear-TestDomain }

    It 'removes by name, pattern, id, uuid and object' {
        Remove-LvmDomain (Get-TestName a) -Confirm:$false | Should -BeNullOrEmpty
        Remove-LvmDomain -Id $domains[1].Id -Force
        Remove-LvmDomain -Uuid $domains[2].Uuid -Force
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
        New-TestDomain d | Remove-LvmDomain -Force
        $null = New-TestDomain e
        Remove-LvmDomain (Get-TestName '*') -Force
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'asks first: it has a high impact' {
        $command = "Import-Module '$(Get-TestModulePath)'; Connect-LvmHost -Simulated; `$null = New-LvmDomain -Name x -Kernel '$kernel' -MemoryMiB 4; Remove-LvmDomain x"
        $text = pwsh -NoProfile -NonInteractive -Command $command 2>&1 | Out-String
        $text | Should -Match 'NonInteractive'
        $attribute = (Get-Command Remove-LvmDomain).ImplementingType.GetCustomAttributes([System.Management.Automation.CmdletAttribute], $false)
        $attribute.ConfirmImpact | Should -Be 'High'
    }

    It 'removes nothing with -WhatIf, not even with -Force' {
        Remove-LvmDomain (Get-TestName '*') -WhatIf
        Remove-LvmDomain (Get-TestName '*') -Force -WhatIf
        & { $WhatIfPreference = $true; Remove-LvmDomain (Get-TestName '*') -Force }
        @(Get-LvmDomain (Get-TestName '*')).Count | Should -Be 3
    }

    It 'goes on after a name that nobody has and a domain that is gone' {
        Remove-LvmDomain (Get-TestName nobody), (Get-TestName a) -Force -ErrorAction SilentlyContinue -ErrorVariable unknown
        $unknown | Get-ErrorId | Should -Be 'DomainNotFound'
        $domains | Remove-LvmDomain -Force -ErrorAction SilentlyContinue -ErrorVariable gone
        $gone | Get-ErrorId | Should -Be 'DomainGone'
        $gone.TargetObject.Name | Should -Be (Get-TestName a)
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'never means another domain that has the id now' {
        # As if the domain that was listed had ended, and its id were in use again.
        $listed = $domains[0].'<Clone>$'()
        [LightVM.Domains.Domain].GetProperty('Uuid').SetValue($listed, [guid]::NewGuid())
        Remove-LvmDomain -InputObject $listed -Force -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainGone'
        (Get-LvmDomain -Id $listed.Id).Name | Should -Be (Get-TestName a)
    }

    It 'refuses the control domain by <How>' -ForEach @(
        @{ How = 'name'; With = @{ Name = 'Domain-0' } }
        @{ How = 'id'; With = @{ Id = 0 } }
    ) {
        Remove-LvmDomain @With -Force -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainProtected'
        (Get-LvmDomain -Id 0).Name | Should -Be 'Domain-0'
    }

    It 'passes over the control domain when everything is meant' -Skip:$onXen {
        Remove-LvmDomain * -Force -ErrorAction Stop
        (Get-LvmDomain).Id | Should -Be 0
    }
}

Describe 'Completion' {
    BeforeAll {
        'web1', 'web2' | ForEach-Object { New-TestDomain $_ } | Out-Null
        function Complete([string] $Line) { (TabExpansion2 $Line $Line.Length).CompletionMatches }
    }

    AfterAll { Clear-TestDomain }

    It 'proposes the names of domains' {
        (Complete "Get-LvmDomain $(Get-TestName w)").CompletionText | Should -Be (Get-TestName web1), (Get-TestName web2)
        (Complete "Suspend-LvmDomain -Name $(Get-TestName WEB2)").CompletionText | Should -Be (Get-TestName web2)
        (Complete "Get-LvmDomain '$(Get-TestName web1)").CompletionText | Should -Be "'$(Get-TestName web1)'"
    }

    It 'proposes ids and uuids with names' {
        $domain = Get-LvmDomain (Get-TestName web1)
        (Complete 'Get-LvmDomain -Id ').ListItemText | Should -Contain "$($domain.Id) ($($domain.Name))"
        (Complete "Get-LvmDomain -Uuid $("$($domain.Uuid)".Substring(0, 8))").CompletionText | Should -Be "$($domain.Uuid)"
    }

    It 'proposes the control domain only where it is of use' {
        (Complete 'Get-LvmDomain Dom').CompletionText | Should -Contain 'Domain-0'
        (Complete 'Remove-LvmDomain Dom').CompletionText | Should -Not -Contain 'Domain-0'
    }

    It 'knows the words of parameters' {
        (Complete 'New-LvmDomainConfig a -Type ').CompletionText | Should -Be 'PV', 'PVH'
        (Complete 'New-LvmDomain -OnCrash ').CompletionText | Should -Be 'Destroy', 'Preserve', 'Restart'
    }
}
