BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $onXen = Test-OnXen
    $noDevices = -not (Test-DeviceHost)
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    if (Test-DeviceHost) { Start-TestDeviceDaemon }
    $kernel = Get-TestKernel $TestDrive
    function New-TestDomain {
        [CmdletBinding()]
        param([string] $Name, [string] $CommandLine = '', [object[]] $Vbd = @())
        New-LvmDomain -Name (Get-TestName $Name) -Kernel $kernel -MemoryMiB 4 -CommandLine $CommandLine -Vbd $Vbd
    }
    # An image file of 1 MiB, under a path without links, as the kernel shows it.
    function New-TestImage([string] $Name) {
        $path = Join-Path (Resolve-Path $TestDrive).ProviderPath $Name
        $file = [IO.File]::Create($path)
        $file.SetLength(1MB)
        $file.Dispose()
        $path
    }
    $image, $other = (New-TestImage one.img), (New-TestImage two.img)
}

AfterAll {
    Clear-TestDomain
    Stop-TestDeviceDaemon
    Disconnect-LvmHost
}

Describe 'A domain that is created with disks' -Skip:$noDevices {
    AfterEach { Clear-TestDomain }

    It 'has them' {
        $disks = New-TestDomain web -Vbd @{ Target = $image; VirtualDevice = 'xvda'; Type = 'File' }, @{ Target = $other; VirtualDevice = 'xvdb1'; Type = 'File'; Access = 'ReadOnly' } | Get-LvmDisk
        $disks | Should -BeOfType LightVM.Devices.Disk
        $disks.VirtualDevice | Should -Be 'xvda', 'xvdb1'
        $disks.DeviceId | Should -Be 51712, 51729
        $disks.Target | Should -Be $image, $other
        $disks.Type | Should -Be 'File', 'File'
        $disks.Access | Should -Be 'ReadWrite', 'ReadOnly'
    }

    It 'leaves nothing when one of them is not there' {
        New-TestDomain web -Vbd @{ Target = $image; VirtualDevice = 'xvda'; Type = 'File' }, @{ Target = '/does/not/exist'; VirtualDevice = 'xvdb' } -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'DiskNotFound'
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
        # The other one is free again.
        (New-TestDomain web -Vbd @{ Target = $image; VirtualDevice = 'xvda'; Type = 'File' } | Get-LvmDisk).Target | Should -Be $image
    }
}

Describe 'Get-LvmDisk' -Skip:$noDevices {
    BeforeAll {
        $web = New-TestDomain web -Vbd @{ Target = $image; VirtualDevice = 'xvda'; Type = 'File'; Access = 'ReadOnly' }, @{ Target = $other; VirtualDevice = 'xvdb'; Type = 'File' }
        $db = New-TestDomain db -Vbd @{ Target = $image; VirtualDevice = 'd0p0'; Type = 'File'; Access = 'ReadOnly' }
        $null = New-TestDomain alone
    }

    AfterAll { Clear-TestDomain }

    It 'lists those of all domains without a domain' {
        (Get-LvmDisk | Where-Object { $_.DomainName -like (Get-TestName '*') }).DomainId | Should -Be $web.Id, $web.Id, $db.Id
    }

    It 'lists those of domains by name, pattern, id, uuid and object' {
        (Get-LvmDisk (Get-TestName db)).DomainId | Should -Be $db.Id
        (Get-LvmDisk (Get-TestName '*b')).Count | Should -Be 3
        (Get-LvmDisk -Id $web.Id).VirtualDevice | Should -Be 'xvda', 'xvdb'
        (Get-LvmDisk -Uuid $db.Uuid).DomainId | Should -Be $db.Id
        ($db, $web | Get-LvmDisk).DomainId | Should -Be $db.Id, $web.Id, $web.Id
        Get-LvmDisk (Get-TestName alone) -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'chooses by virtual device, in any spelling and by pattern' {
        (Get-LvmDisk (Get-TestName '*') -VirtualDevice xvda).DomainId | Should -Be $web.Id, $db.Id
        (Get-LvmDisk (Get-TestName '*') -VirtualDevice d1p0).VirtualDevice | Should -Be 'xvdb'
        (Get-LvmDisk (Get-TestName web) -VirtualDevice 'xvd[ab]').VirtualDevice | Should -Be 'xvda', 'xvdb'
        Get-LvmDisk (Get-TestName '*') -VirtualDevice xvdz, nonsense -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'says of a domain that there is none, and lists the others' {
        (Get-LvmDisk (Get-TestName nobody), (Get-TestName db) -ErrorAction SilentlyContinue -ErrorVariable problem).DomainId | Should -Be $db.Id
        $problem | Get-ErrorId | Should -Be 'DomainNotFound'
    }

    It 'shows a table, and everything as a list' {
        $text = Get-LvmDisk (Get-TestName web) | Out-String -Width 400
        $text | Should -Match 'Domain\s+VirtualDevice\s+Target\s+Type\s+Access\s+State\s+BlockDevice'
        $text | Should -Match "(?m)^$([regex]::Escape((Get-TestName web)))\s+xvdb\s+$([regex]::Escape($other))\s+File\s+ReadWrite\s+\w+\s+/"
        Get-LvmDisk (Get-TestName db) | Format-List | Out-String -Width 400 | Should -Match 'DeviceId\s+: 51712'
    }
}

Describe 'Add-LvmDisk' -Skip:$noDevices {
    BeforeEach { $domains = 'a', 'b' | ForEach-Object { New-TestDomain $_ } }
    AfterEach { Clear-TestDomain }

    It 'adds a disk by name, target and virtual device, without output' {
        Add-LvmDisk (Get-TestName a) $image xvdb | Should -BeNullOrEmpty
        $disk = Get-LvmDisk (Get-TestName a)
        $disk.VirtualDevice, $disk.Target, $disk.Type, $disk.Access | Should -Be 'xvdb', $image, 'File', 'ReadWrite'
    }

    It 'returns it with -PassThru' {
        $disk = Add-LvmDisk -Uuid $domains[0].Uuid -Target $image -VirtualDevice xvdc -Type File -ReadOnly -Timeout 60 -PassThru
        $disk.DomainName, $disk.VirtualDevice, $disk.Access | Should -Be (Get-TestName a), 'xvdc', 'ReadOnly'
        $disk.BlockDevice | Should -Not -BeNullOrEmpty
    }

    It 'starts relative paths at the current location' {
        Push-Location (Split-Path $image)
        try { (Add-LvmDisk (Get-TestName a) one.img xvda -PassThru).Target | Should -Be $image } finally { Pop-Location }
    }

    It 'takes a block device for one' -Skip:($onXen -or -not (Test-Path /dev/loop0)) {
        (Add-LvmDisk (Get-TestName a) /dev/loop0 xvda -ReadOnly -PassThru).Type | Should -Be 'Phy'
    }

    It 'gives a disk to several domains that read it' {
        ($domains | Add-LvmDisk -Target $image -VirtualDevice xvda -ReadOnly -PassThru).DomainName | Should -Be $domains.Name
    }

    It 'gives a disk that may be written to one of several domains only' {
        $added = Add-LvmDisk (Get-TestName '*') $image xvda -PassThru -ErrorAction SilentlyContinue -ErrorVariable problem
        $added.DomainName | Should -Be (Get-TestName a)
        $problem | Get-ErrorId | Should -Be 'DiskInUse'
        $problem.CategoryInfo.Category | Should -Be 'ResourceExists'
        $problem.TargetObject.Name | Should -Be (Get-TestName b)
        Remove-LvmDisk (Get-TestName a) xvda -Confirm:$false
        (Add-LvmDisk (Get-TestName b) $image xvda -PassThru).DomainName | Should -Be (Get-TestName b)
    }

    It 'refuses <Id>' -ForEach @(
        @{ Id = 'DiskNotFound'; Category = 'ObjectNotFound'; With = @{ Target = '/does/not/exist'; VirtualDevice = 'xvdb' } }
        @{ Id = 'DiskNotFound'; Category = 'ObjectNotFound'; With = @{ Target = 'Variable:/x'; VirtualDevice = 'xvdb' } }
        @{ Id = 'DiskInvalid'; Category = 'InvalidArgument'; With = @{ Target = '/usr'; VirtualDevice = 'xvdb' } }
        @{ Id = 'DiskInvalid'; Category = 'InvalidArgument'; With = @{ Target = "/$('x' * 4096)"; VirtualDevice = 'xvdb' } }
        @{ Id = 'VirtualDeviceInvalid'; Category = 'InvalidArgument'; With = @{ Target = '/usr'; VirtualDevice = 'vda' } }
        @{ Id = 'DeviceIdTaken'; Category = 'ResourceExists'; With = @{ Target = '/usr'; VirtualDevice = 'd0p0' } }
    ) {
        Add-LvmDisk (Get-TestName a) $image xvda
        Add-LvmDisk (Get-TestName a) @With -PassThru -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be $Id
        $problem.CategoryInfo.Category | Should -Be $Category
        $problem.TargetObject.Id | Should -Be $domains[0].Id
        $problem.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        (Get-LvmDisk (Get-TestName a)).VirtualDevice | Should -Be 'xvda'
    }

    It 'refuses the 17th' {
        0..15 | ForEach-Object { Add-LvmDisk (Get-TestName a) $image "d${_}p0" -ReadOnly -ErrorAction Stop }
        Add-LvmDisk (Get-TestName a) $image d16p0 -ReadOnly -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'TooManyDevices'
        @(Get-LvmDisk (Get-TestName a)).Count | Should -Be 16
    }

    It 'goes on after a domain that is gone' {
        Remove-LvmDomain (Get-TestName a) -Force
        ($domains | Add-LvmDisk -Target $image -VirtualDevice xvda -PassThru -ErrorAction SilentlyContinue -ErrorVariable problem).DomainName | Should -Be (Get-TestName b)
        $problem | Get-ErrorId | Should -Be 'DomainGone'
    }

    It 'adds nothing with -WhatIf' {
        Add-LvmDisk (Get-TestName '*') $image xvda -WhatIf
        Get-LvmDisk (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'proposes names that are free' {
        Add-LvmDisk (Get-TestName a) $image xvda
        $line = "Add-LvmDisk $(Get-TestName a) x.img -VirtualDevice xvd"
        $proposed = (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText
        $proposed[0], $proposed[-1] | Should -Be 'xvdb', 'xvdp'
    }
}

Describe 'Remove-LvmDisk' -Skip:$noDevices {
    BeforeEach {
        $domains = 'a', 'b' | ForEach-Object {
            New-TestDomain $_ -Vbd @{ Target = $image; VirtualDevice = 'xvda'; Type = 'File'; Access = 'ReadOnly' }, @{ Target = $other; VirtualDevice = 'xvdb'; Type = 'File'; Access = 'ReadOnly' }
        }
    }
    AfterEach { Clear-TestDomain }

    It 'removes by domain and virtual device, without output' {
        Remove-LvmDisk (Get-TestName a) xvda -Confirm:$false | Should -BeNullOrEmpty
        (Get-LvmDisk (Get-TestName a)).VirtualDevice | Should -Be 'xvdb'
        Remove-LvmDisk -Id $domains[0].Id -VirtualDevice d1p0 -Force
        Get-LvmDisk (Get-TestName a) | Should -BeNullOrEmpty
        Remove-LvmDisk -Uuid $domains[1].Uuid 'xvd*' -Force
        Get-LvmDisk (Get-TestName b) | Should -BeNullOrEmpty
    }

    It 'removes what the pipeline has: domains, names, disks' {
        $domains | Remove-LvmDisk -VirtualDevice xvda -Confirm:$false
        $domains.Name | Remove-LvmDisk -VirtualDevice xvdb -Confirm:$false
        Get-LvmDisk (Get-TestName '*') | Should -BeNullOrEmpty
        $domains | Add-LvmDisk -Target $image -VirtualDevice xvda -ReadOnly -PassThru | Remove-LvmDisk -Confirm:$false
        $domains | Add-LvmDisk -Target $image -VirtualDevice xvda -ReadOnly
        Get-LvmDomain (Get-TestName '*') | Get-LvmDisk | Remove-LvmDisk -Confirm:$false
        Get-LvmDisk (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'says of a name that there is none or that it is none, and removes the others' {
        Remove-LvmDisk (Get-TestName a) xvdz, nonsense, xvda -Force -ErrorAction SilentlyContinue -ErrorVariable problems
        $problems | Get-ErrorId | Should -Be 'DeviceNotFound', 'VirtualDeviceInvalid'
        $problems.TargetObject.Id | Should -Be $domains[0].Id, $domains[0].Id
        (Get-LvmDisk (Get-TestName a)).VirtualDevice | Should -Be 'xvdb'
        Remove-LvmDisk (Get-TestName a) 'xvd[x-z]' -Force -ErrorAction Stop
    }

    It 'never means another disk that has the name now' {
        $listed = Get-LvmDisk (Get-TestName a) -VirtualDevice xvda
        Remove-LvmDisk (Get-TestName a) xvd[ab] -Force
        Add-LvmDisk (Get-TestName a) $other xvda -ReadOnly
        $listed | Remove-LvmDisk -Force -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DeviceNotFound'
        $problem.TargetObject | Should -Be $listed
        (Get-LvmDisk (Get-TestName a)).Target | Should -Be $other
    }

    It 'asks first: it has a high impact' {
        $command = "Import-Module '$(Get-TestModulePath)'; Connect-LvmHost -Simulated; `$null = New-LvmDomain -Name x -Kernel /simulated/tiny.elf -MemoryMiB 4 -Vbd @{ Target = '/simulated/x'; VirtualDevice = 'xvda' }; Remove-LvmDisk x xvda; (Get-LvmDisk x).VirtualDevice"
        $text = pwsh -NoProfile -NonInteractive -Command $command 2>&1 | Out-String
        $text | Should -Match 'NonInteractive'
        $text | Should -Match '(?m)^xvda$'
        (Get-Command Remove-LvmDisk).ImplementingType.GetCustomAttributes([System.Management.Automation.CmdletAttribute], $false).ConfirmImpact | Should -Be 'High'
    }

    It 'removes nothing with -WhatIf, not even with -Force' {
        Remove-LvmDisk (Get-TestName '*') '*' -Force -WhatIf
        Get-LvmDisk (Get-TestName '*') | Remove-LvmDisk -WhatIf
        @(Get-LvmDisk (Get-TestName '*')).Count | Should -Be 4
    }

    It 'is busy while the guest does not let go, and does without it with -Force' -Skip:$onXen {
        $null = New-TestDomain c spin -Vbd @{ Target = $image; VirtualDevice = 'xvda'; Type = 'File'; Access = 'ReadOnly' }
        Remove-LvmDisk (Get-TestName c) xvda -Timeout 3 -Confirm:$false -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DeviceBusy'
        $problem.TargetObject | Should -BeOfType LightVM.Devices.Disk
        $problem.ErrorDetails.Message | Should -Match 'within 3 s'
        Remove-LvmDisk (Get-TestName c) xvda -Force
        Get-LvmDisk (Get-TestName c) | Should -BeNullOrEmpty
    }

    It 'proposes the disks of the domain that the line names' {
        Remove-LvmDisk (Get-TestName b) xvda -Force
        $line = "Remove-LvmDisk $(Get-TestName b) -VirtualDevice xv"
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be 'xvdb'
    }
}
