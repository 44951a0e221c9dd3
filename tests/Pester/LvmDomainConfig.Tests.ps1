BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
}

Describe 'New-LvmDomainConfig' {
    It 'makes a configuration with its defaults' {
        $config = New-LvmDomainConfig web -Kernel /boot/guest -MemoryMiB 4
        $config | Should -BeOfType LightVM.Configuration.DomainConfig
        $config.Name, $config.Kernel, $config.MemoryMiB, $config.MaxMemoryMiB, $config.VcpuCount, $config.Type | Should -Be 'web', '/boot/guest', 4, 4, 1, 'PV'
        $config.Paused | Should -BeFalse
        $config.Console | Should -BeTrue
        $config.Uuid | Should -BeNullOrEmpty
    }

    It 'takes every setting' {
        $uuid = [guid]::NewGuid()
        $config = New-LvmDomainConfig full -Kernel /k -Ramdisk /r -CommandLine 'a b' -MemoryMiB 8 -MaxMemoryMiB 16 -VcpuCount 2 -CpuMap @(0, 1), @(2) `
            -AddressSize 64 -Type PVH -Uuid $uuid -Paused -NoConsole -OnPoweroff Preserve -OnReboot Destroy -OnCrash Restart -DeviceMethod Xenstore `
            -Vif @{ Bridge = 'br0'; Mac = '0:16:3e:0:0:1' } -Vbd @{ Target = '/dev/sdb'; VirtualDevice = 'xvda'; Access = 'ReadOnly' }
        $config.Ramdisk, $config.CommandLine, $config.MaxMemoryMiB, $config.VcpuCount, $config.Type, $config.Uuid | Should -Be '/r', 'a b', 16, 2, 'PVH', $uuid
        $config.CpuMap.Count | Should -Be 2
        $config.CpuMap[0] | Should -Be 0, 1
        $config.Paused, $config.Console, $config.OnPoweroff, $config.OnReboot, $config.OnCrash | Should -Be $true, $false, 'Preserve', 'Destroy', 'Restart'
        $config.Vifs[0].Mac | Should -Be '00:16:3e:00:00:01'
        $config.Vbds[0].Access | Should -Be 'ReadOnly'
    }

    It 'starts relative paths at the current location, and knows PowerShell drives' {
        Push-Location $TestDrive
        try {
            (New-LvmDomainConfig a -Kernel sub/../k -Ramdisk ./r -MemoryMiB 4).Kernel | Should -Be (Join-Path $TestDrive k)
            (New-LvmDomainConfig a -Kernel TestDrive:/k -MemoryMiB 4).Kernel | Should -Be (Join-Path $TestDrive k)
        }
        finally { Pop-Location }
    }

    It 'changes a copy of a configuration from the pipeline' {
        $base = New-LvmDomainConfig base -Kernel /k -Ramdisk /r -MemoryMiB 4 -CommandLine x -Paused
        $copy = $base | New-LvmDomainConfig -Name copy -MemoryMiB 8 -Ramdisk '' -Paused:$false
        $copy.Name, $copy.Kernel, $copy.MemoryMiB, $copy.MaxMemoryMiB, $copy.CommandLine, $copy.Paused | Should -Be 'copy', '/k', 8, 8, 'x', $false
        $copy.Ramdisk | Should -BeNullOrEmpty
        $base.Name, $base.MemoryMiB, $base.Paused | Should -Be 'base', 4, $true
    }

    It 'reports everything that is wrong at once' {
        New-LvmDomainConfig 'two words' -MemoryMiB 4 -MaxMemoryMiB 2 -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'ConfigInvalid'
        $problem.CategoryInfo.Category | Should -Be 'InvalidArgument'
        $problem.TargetObject | Should -Be 'two words'
        $problem.Exception.Errors.Path | Sort-Object | Should -Be '$.max_memory', '$.name'
    }

    It 'gives an interface a rate, queues and trust, and keeps them in a file' {
        $config = New-LvmDomainConfig a -Kernel /k -MemoryMiB 4 -Vif @{ Rate = '1000KB/s@20000us'; QueueCount = 2; Trusted = $false }, @{ Bridge = 'br0' }
        $config.Vifs[0].Rate, $config.Vifs[0].QueueCount, $config.Vifs[0].Trusted | Should -Be '1MB/s@20ms', 2, $false
        $config.Vifs[1].Rate, $config.Vifs[1].QueueCount, $config.Vifs[1].Trusted | Should -Be $null, $null, $true
        $config | Format-List | Out-String | Should -Match '1MB/s@20ms 2 queues untrusted; br0'

        $file = Join-Path $TestDrive vif.json
        $config | Export-LvmDomainConfig -Path $file
        $json = Get-Content -Raw $file | ConvertFrom-Json -AsHashtable
        $json.vifs[0].rate, $json.vifs[0].queues, $json.vifs[0].trusted | Should -Be '1MB/s@20ms', 2, $false
        $json.vifs[1].Keys | Should -Be 'bridge'
        Import-LvmDomainConfig -Path $file | Should -Be $config
    }

    It 'refuses the <Key> <Value> of an interface' -ForEach @(
        @{ Key = 'Rate'; Value = '10Mb'; Message = '*$.vifs`[0`].rate: must be a whole number and a unit*' }
        @{ Key = 'Rate'; Value = '1b/s'; Message = '*$.vifs`[0`].rate: is less than one byte*' }
        @{ Key = 'QueueCount'; Value = 65; Message = '*$.vifs`[0`].queues: must be 1 to 64*' }
        @{ Key = 'QueueCount'; Value = 'many'; Message = '*QueueCount is a whole number*' }
        @{ Key = 'Trusted'; Value = 'maybe'; Message = '*Trusted is $true or $false*' }
    ) {
        { New-LvmDomainConfig a -Kernel /k -MemoryMiB 4 -Vif @{ $Key = $Value } -ErrorAction Stop } | Should -Throw $Message
    }

    It 'names the key of a device that does not exist' {
        { New-LvmDomainConfig a -Kernel /k -MemoryMiB 4 -Vif @{ Colour = 'red' } } | Should -Throw "*There is no key 'Colour'*"
    }
}

Describe 'Export- and Import-LvmDomainConfig' {
    BeforeEach {
        $directory = (New-Item -ItemType Directory (Join-Path $TestDrive ([guid]::NewGuid()))).FullName
        Push-Location $directory
        $config = New-LvmDomainConfig web -Kernel /k -MemoryMiB 4 -CommandLine 'role=web' -VcpuCount 2 -CpuMap @(0), @(1) -Uuid ([guid]::NewGuid()) -OnCrash Preserve
    }

    AfterEach { Pop-Location }

    It 'bring a configuration through a file unchanged' {
        $config | Export-LvmDomainConfig web.json | Should -BeNullOrEmpty
        (Import-LvmDomainConfig web.json).Equals($config) | Should -BeTrue
        (Get-Content web.json -Raw | ConvertFrom-Json).memory | Should -Be 4
    }

    It 'write to a directory one file each' {
        1..3 | ForEach-Object { $config | New-LvmDomainConfig -Name "n$_" } | Export-LvmDomainConfig .
        (Get-ChildItem *.json).Name | Should -Be 'n1.json', 'n2.json', 'n3.json'
        (Import-LvmDomainConfig *.json).Name | Should -Be 'n1', 'n2', 'n3'
    }

    It 'refuse a second configuration for one file' {
        'a', 'b' | ForEach-Object { $config | New-LvmDomainConfig -Name $_ } | Export-LvmDomainConfig one.json -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'ConfigNotWritable'
        $problem.TargetObject.Name | Should -Be 'b'
        (Import-LvmDomainConfig one.json).Name | Should -Be 'a'
    }

    It 'replace a file, but not with -NoClobber' {
        $config | Export-LvmDomainConfig web.json
        $config | New-LvmDomainConfig -MemoryMiB 8 | Export-LvmDomainConfig web.json -NoClobber -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'ConfigNotWritable'
        (Import-LvmDomainConfig web.json).MemoryMiB | Should -Be 4
        $config | New-LvmDomainConfig -MemoryMiB 8 | Export-LvmDomainConfig web.json
        (Import-LvmDomainConfig web.json).MemoryMiB | Should -Be 8
    }

    It 'write nothing with -WhatIf' {
        $config | Export-LvmDomainConfig web.json -WhatIf
        'web.json' | Should -Not -Exist
    }

    It 'take files from Get-ChildItem, from strings, and with characters that are wildcards' {
        $config | Export-LvmDomainConfig 'a[1].json'
        (Get-ChildItem).Count | Should -Be 1
        (Get-ChildItem | Import-LvmDomainConfig).Name | Should -Be 'web'
        (Import-LvmDomainConfig -LiteralPath 'a[1].json').Name | Should -Be 'web'
        ('a`[1`].json' | Import-LvmDomainConfig).Name | Should -Be 'web'
        Import-LvmDomainConfig 'a[1].json' | Should -BeNullOrEmpty
    }

    It 'go on after a file that is bad or missing' {
        $config | Export-LvmDomainConfig good.json
        '{' | Set-Content bad.json
        $read = 'bad.json', 'absent.json', 'good.json' | Import-LvmDomainConfig -ErrorAction SilentlyContinue -ErrorVariable problems
        $read.Name | Should -Be 'web'
        $problems | Get-ErrorId | Should -Be 'ConfigSyntax', 'ConfigNotFound'
        $problems.TargetObject | Should -Be (Join-Path $directory bad.json), (Join-Path $directory absent.json)
    }

    It 'go on after what is no path of a file system' {
        $config | Export-LvmDomainConfig good.json
        $read = 'Variable:/x', 'nodrive:/x', 'good.json' | Import-LvmDomainConfig -ErrorAction SilentlyContinue -ErrorVariable problems
        $read.Name | Should -Be 'web'
        $problems | Get-ErrorId | Should -Be 'ConfigNotFound', 'ConfigNotFound'
        $problems.TargetObject | Should -Be 'Variable:/x', 'nodrive:/x'
        $config | Export-LvmDomainConfig Variable:/x -ErrorAction SilentlyContinue -ErrorVariable unwritten
        $unwritten | Get-ErrorId | Should -Be 'ConfigNotWritable'
        New-LvmDomainConfig x -Kernel nodrive:/k -MemoryMiB 4 -ErrorAction SilentlyContinue -ErrorVariable kernel | Should -BeNullOrEmpty
        $kernel | Get-ErrorId | Should -Be 'KernelNotFound'
    }

    It 'read the configuration of a saved domain, which has no kernel' {
        '{ "name": "saved", "memory": 4, "vcpus": 1 }' | Set-Content saved.json
        (Import-LvmDomainConfig saved.json).Kernel | Should -BeNullOrEmpty
    }
}

Describe 'Test-LvmDomainConfig' {
    BeforeAll {
        $good = Write-TestConfig (Join-Path $TestDrive good.json) good /k
        $bad = Join-Path $TestDrive bad.json
        "{`n  `"name`": `"two words`",`n  `"kernel`": `"/k`",`n  `"memory`": 0,`n  `"vcpus`": 1,`n  `"colour`": `"red`"`n}" | Set-Content $bad
    }

    It 'says of each file whether it is valid' {
        (Test-LvmDomainConfig $good, $bad).IsValid | Should -Be $true, $false
        Test-LvmDomainConfig $good, $bad -Quiet | Should -Be $true, $false
        (Get-Item $good | Test-LvmDomainConfig).Config.Name | Should -Be 'good'
    }

    It 'has every error with its path and its line' {
        $result = Test-LvmDomainConfig $bad
        $result.ErrorId | Should -Be 'ConfigInvalid'
        $result.Errors.Path | Should -Be '$.name', '$.memory', '$.colour'
        $result.Errors.Line | Should -Be 2, 4, 6
    }

    It 'shows a line for each error' {
        $text = Test-LvmDomainConfig $good, $bad | Out-String -Width 300
        $text | Should -Match "good\.json: valid \(domain 'good'\)"
        $text | Should -Match 'bad\.json: ConfigInvalid, 3 errors'
        $text | Should -Match '(?m)^  \$\.memory \(line 4, column \d+\): must be 1'
    }

    It 'says no of a file that is not there, without an error' {
        (Test-LvmDomainConfig (Join-Path $TestDrive absent.json) -ErrorAction Stop).ErrorId | Should -Be 'ConfigNotFound'
    }

    It 'needs no host' {
        Disconnect-LvmHost
        Test-LvmDomainConfig $good -Quiet -ErrorAction Stop | Should -BeTrue
    }
}

Describe 'The view of a configuration' {
    It 'is a list by itself and a table when asked' {
        $config = New-LvmDomainConfig web -Kernel /k -MemoryMiB 4 -CpuMap (, @(0, 1))
        $config | Out-String | Should -Match '(?m)^CpuMap\s+: \[0,1\]\r?$'
        $config | Format-Table | Out-String | Should -Match '(?m)^web\s+PV\s+1\s+4\s+/k'
    }
}
