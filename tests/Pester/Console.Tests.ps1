BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    function New-TestDomain([string] $Name, [string] $CommandLine = '') {
        New-LvmDomain -Name (Get-TestName $Name) -Kernel $kernel -MemoryMiB 4 -CommandLine $CommandLine
    }

    # The first line that matches, of those that were written or will be within a minute.
    function Wait-Line($Domain, [string] $Pattern) {
        $Domain | Get-LvmConsole -Wait -Timeout 60 | Where-Object { $_ -match $Pattern } | Select-Object -First 1
    }

    # On a machine that is slow, a guest has to be waited for until it has said hello.
    function Start-TestDomain([string] $Name, [string] $CommandLine = '') {
        $domain = New-TestDomain $Name $CommandLine
        $null = Wait-Line $domain '^tiny: command line'
        $domain
    }
}

AfterAll {
    Clear-TestDomain
    Disconnect-LvmHost
}

Describe 'Get-LvmConsole' {
    BeforeAll {
        $a = Start-TestDomain a 'first guest'
        $b = Start-TestDomain b 'second guest'
    }

    AfterAll { Clear-TestDomain }

    It 'gives what the guest has written, by lines, as often as it is asked' {
        1..2 | ForEach-Object {
            $lines = Get-LvmConsole (Get-TestName a)
            $lines | Should -Be 'tiny: hello from a PV guest', 'tiny: command line: first guest'
        }
    }

    It 'gives strings that know their domain' {
        $line = Get-LvmConsole (Get-TestName a) -Tail 1
        $line | Should -BeOfType string
        $line.DomainName, $line.DomainId | Should -Be $a.Name, $a.Id
    }

    It 'gives the last lines, or none' {
        Get-LvmConsole (Get-TestName b) -Tail 1 | Should -Be 'tiny: command line: second guest'
        Get-LvmConsole (Get-TestName b) -Tail 100 | Should -HaveCount 2
        Get-LvmConsole (Get-TestName b) -Tail 0 | Should -BeNullOrEmpty
    }

    It 'takes patterns, ids, uuids and objects, and passes over the control domain' {
        (Get-LvmConsole (Get-TestName '*') -Tail 1).DomainName | Should -Be $a.Name, $b.Name
        (Get-LvmConsole -Id $a.Id, $b.Id -Tail 1).DomainName | Should -Be $a.Name, $b.Name
        (Get-LvmConsole -Uuid $b.Uuid -Tail 1).DomainName | Should -Be $b.Name
        ($a, $b | Get-LvmConsole -Tail 1).DomainName | Should -Be $a.Name, $b.Name
        (Get-TestName b), (Get-TestName a) | Get-LvmConsole -Tail 1 | ForEach-Object DomainName | Should -Be $b.Name, $a.Name
    }

    It 'ends after its time, and when nobody wants more' {
        Get-LvmConsole (Get-TestName '*') -Wait -Timeout 1 | Should -HaveCount 4
        (Get-LvmConsole (Get-TestName '*') -Wait | Select-Object -First 1) | Should -Match '^tiny: '
    }

    It 'goes on with what several guests write, until they are gone' {
        $domains = 'c', 'd' | ForEach-Object { Start-TestDomain $_ }
        $seen = [System.Collections.Generic.List[psobject]]::new()
        $domains | Get-LvmConsole -Tail 0 -Wait | ForEach-Object {
            # The first line is answered by the end of its domain.
            $seen.Add($_)
            Get-LvmDomain -Id $_.DomainId -ErrorAction SilentlyContinue | Remove-LvmDomain -Force
        } -Begin {
            # Typed before, the answers would be of the time before.
            $typing = Start-ThreadJob {
                param($module, $names)
                Import-Module $module
                for ($tries = 0; $tries -lt 1000 -and (Get-LvmDomain $names); $tries++) { Send-LvmConsole $names -Text 'end' -ErrorAction SilentlyContinue }
            } -ArgumentList (Get-TestModulePath), (Get-TestName '[cd]')
        } -End { $typing | Receive-Job -Wait -AutoRemoveJob }
        $seen.DomainName | Sort-Object -Unique | Should -Be $domains.Name
        Get-LvmDomain (Get-TestName '[cd]') | Should -BeNullOrEmpty
    }

    It 'is stopped at once while it waits' {
        $shell = [powershell]::Create().AddScript("Import-Module '$(Get-TestModulePath)'; Get-LvmConsole '$(Get-TestName a)' -Wait")
        $nothing, $output = 1..2 | ForEach-Object { , [System.Management.Automation.PSDataCollection[psobject]]::new() }
        $nothing.Complete()
        $running = $shell.BeginInvoke($nothing, $output)
        for ($tries = 0; $tries -lt 600 -and $output.Count -lt 2; $tries++) { Start-Sleep -Milliseconds 100 }
        $output.Count | Should -Be 2
        $shell.Stop()
        $shell.InvocationStateInfo.State | Should -Be 'Stopped'
        $shell.Streams.Error | Should -BeNullOrEmpty
        $shell.Dispose()
        $running.IsCompleted | Should -BeTrue
    }

    It 'says <Id> and shows the others' -ForEach @(
        @{ Id = 'DomainNotFound'; Name = { (Get-TestName nobody), (Get-TestName a) } }
        @{ Id = 'DomainProtected'; Name = { 'Domain-0', (Get-TestName a) } }
        @{ Id = 'ConsoleUnavailable'; Name = { $null = New-LvmDomain (Get-TestName mute) -Kernel $kernel -MemoryMiB 4 -NoConsole; (Get-TestName mute), (Get-TestName a) } }
    ) {
        $lines = Get-LvmConsole (& $Name) -Tail 1 -ErrorAction SilentlyContinue -ErrorVariable problem
        $lines | Should -Be 'tiny: command line: first guest'
        $problem | Get-ErrorId | Should -Be $Id
        # The same for one that waits.
        Get-LvmConsole (& { (Get-TestName mute), 'Domain-0', (Get-TestName nobody) }) -Wait -Timeout 1 -ErrorAction SilentlyContinue -ErrorVariable waiting
        $waiting | Get-ErrorId | Should -Contain 'DomainNotFound'
    }

    It 'says of a domain that is gone that it is' {
        $gone = New-TestDomain gone
        Remove-LvmDomain $gone.Name -Force
        $gone | Get-LvmConsole -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'DomainGone'
        $problem.TargetObject.Name | Should -Be $gone.Name
    }
}

Describe 'Send-LvmConsole' {
    BeforeEach { $a = Start-TestDomain a }
    AfterEach { Clear-TestDomain }

    It 'types a line, which the guest answers' {
        Send-LvmConsole (Get-TestName a) 'good day' | Should -BeNullOrEmpty
        Wait-Line $a '^tiny: good day$' | Should -Not -BeNullOrEmpty
    }

    It 'types several lines in their order, also from the pipeline, and line breaks as Enter' {
        Send-LvmConsole (Get-TestName a) 'one', "two`r`nthree`nfour"
        'five', 'six' | Send-LvmConsole (Get-TestName a)
        'seven' | Send-LvmConsole -Id $a.Id
        'eight' | Send-LvmConsole -Uuid $a.Uuid
        $null = Wait-Line $a '^tiny: eight$'
        Get-LvmConsole (Get-TestName a) | Where-Object { $_ -match '^tiny: (?!hello|command)' } |
            Should -Be ('one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight' | ForEach-Object { "tiny: $_" })
    }

    It 'types no Enter when it is told so' {
        Send-LvmConsole (Get-TestName a) 'half' -NoNewline
        Send-LvmConsole (Get-TestName a) ' and half'
        Wait-Line $a '^tiny: half and half$' | Should -Not -BeNullOrEmpty
    }

    It 'types at each domain of the pipeline' {
        $b = Start-TestDomain b
        $a, $b | Send-LvmConsole -Text 'hello'
        $a, $b | ForEach-Object { Wait-Line $_ '^tiny: hello$' } | Should -Be 'tiny: hello', 'tiny: hello'
    }

    It 'takes no domain for text' {
        { $a | Send-LvmConsole 'hello' -ErrorAction Stop } | Should -Throw '*-Text*'
    }

    It 'makes a guest do what it was told' {
        Send-LvmConsole (Get-TestName a) 'poweroff'
        for ($tries = 0; $tries -lt 600 -and ($a | Get-LvmDomain).State -ne 'Shutdown'; $tries++) { Start-Sleep -Milliseconds 100 }
        ($a | Get-LvmDomain).ShutdownReason | Should -Be 'Poweroff'
        Get-LvmConsole (Get-TestName a) -Tail 1 | Should -Be 'tiny: power off'
    }

    It 'sends nothing with -WhatIf' {
        Send-LvmConsole (Get-TestName a) 'nothing' -WhatIf
        Send-LvmConsole (Get-TestName a) 'something'
        $null = Wait-Line $a '^tiny: something$'
        Get-LvmConsole (Get-TestName a) | Should -Not -Contain 'tiny: nothing'
    }

    It 'goes on after a domain that is not there' {
        Send-LvmConsole (Get-TestName nobody), (Get-TestName a) 'hello' -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainNotFound'
        Wait-Line $a '^tiny: hello$' | Should -Not -BeNullOrEmpty
    }
}

Describe 'Enter-LvmConsole' {
    BeforeAll { $a = Start-TestDomain a 'first guest' }
    AfterAll { Clear-TestDomain }

    It 'wants a terminal' {
        # Under the tests' own host there may be one: a pwsh between pipes has none.
        $command = @"
            Import-Module '$(Get-TestModulePath)'
            Connect-LvmHost $(if (-not (Test-OnXen)) { '-Simulated' })
            $(if (-not (Test-OnXen)) { "`$null = New-LvmDomain '$(Get-TestName a)' -Kernel '$kernel' -MemoryMiB 4" })
            Enter-LvmConsole '$(Get-TestName a)' -ErrorAction SilentlyContinue -ErrorVariable problem
            `$problem.FullyQualifiedErrorId
"@
        $null | pwsh -NoProfile -NonInteractive -Command $command | Select-Object -Last 1 | Should -Match '^TerminalRequired,'
    }

    It 'shows the console on a terminal, types at it, and leaves with Ctrl+]' -Skip:(-not (Get-Command script -ErrorAction SilentlyContinue)) {
        $command = @"
            Import-Module '$(Get-TestModulePath)'
            Connect-LvmHost $(if (-not (Test-OnXen)) { '-Simulated' })
            $(if (-not (Test-OnXen)) { "`$null = New-LvmDomain '$(Get-TestName a)' -Kernel '$kernel' -MemoryMiB 4 -CommandLine 'first guest'" })
            Enter-LvmConsole '$(Get-TestName a)'
            'left again'
"@
        $file = Join-Path $TestDrive enter.ps1
        Set-Content -LiteralPath $file $command
        # script(1) gives a terminal; what is typed waits in it until it is read. Enter before, so that no line is spoilt.
        $text = "`r`ngood day`r" + [char] 0x1d | script --quiet --return --command "pwsh -NoProfile -File '$file'" /dev/null | Out-String
        $text | Should -Match 'Attached to .*; Ctrl\+\] leaves'
        $text | Should -Match 'tiny: command line: first guest'
        $text | Should -Match 'left again'
        if (Test-OnXen) { Wait-Line $a '^tiny: good day$' | Should -Not -BeNullOrEmpty }
    }
}

Describe 'Completion of console cmdlets' {
    BeforeAll {
        $null = New-TestDomain a
        function Complete([string] $Line) { (TabExpansion2 $Line $Line.Length).CompletionMatches.CompletionText }
    }

    AfterAll { Clear-TestDomain }

    It 'proposes names for <_>' -ForEach 'Get-LvmConsole', 'Enter-LvmConsole', 'Send-LvmConsole' {
        Complete "$_ $(Get-TestName '')" | Should -Be (Get-TestName a)
    }
}
