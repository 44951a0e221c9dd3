BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    # On Xen it has to be a guest that knows of it: the kernel of the other tests does not.
    $kernel = (Test-OnXen) ? (Join-Path (Split-Path $env:LIGHTVM_TEST_KERNEL) 'idle.elf') : (Get-TestKernel $TestDrive)
    $ranBefore = -not (Test-OnXen) -or (Get-LvmService noxsd).State -eq 'Running'
    if (-not $ranBefore) { Start-LvmService noxsd }
    $noxs = @{ Kernel = $kernel; MemoryMiB = 4; DeviceMethod = 'Noxs' }
    # Where the hypervisor has pages as LightVM's own had, guests that look nowhere else.
    if ($env:LIGHTVM_DEVCTL) { $noxs.CommandLine = 'noxs=hypervisor' }
}

AfterAll {
    Clear-TestDomain
    if (-not $ranBefore) { Stop-LvmService noxsd }
    Disconnect-LvmHost
}

Describe 'A domain without a store' {
    AfterEach { Clear-TestDomain }

    It 'is made, found, renamed and removed as any other' {
        $domain = New-LvmDomain -Name (Get-TestName a) @noxs
        (Get-LvmDomain (Get-TestName a)).Uuid | Should -Be $domain.Uuid
        (Get-LvmDomain -Id $domain.Id).Name | Should -Be $domain.Name
        (Rename-LvmDomain (Get-TestName a) -NewName (Get-TestName b) -PassThru).Uuid | Should -Be $domain.Uuid
        Get-LvmDomain (Get-TestName a) -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        Remove-LvmDomain (Get-TestName b) -Force
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'has the interfaces that it was made with, and gets and loses others while it runs' {
        $domain = New-LvmDomain -Name (Get-TestName a) @noxs -Vif @{ Bridge = 'xenbr0' }
        $adapter = $domain | Get-LvmNetworkAdapter
        $adapter.Bridge | Should -Be 'xenbr0'
        $adapter.State | Should -BeIn 'Initialising', 'InitWait', 'Connected'
        $adapter.MacAddress | Should -Match '^00:16:3e(:[0-9a-f]{2}){3}$'
        $added = Add-LvmNetworkAdapter (Get-TestName a) -Bridge xenbr1 -IpAddress 10.0.0.9 -PassThru
        $added.DeviceId | Should -Be 1
        $added.IpAddress | Should -Be '10.0.0.9'
        ($domain | Get-LvmNetworkAdapter).MacAddress | Should -Be @($adapter.MacAddress, $added.MacAddress)
        Add-LvmNetworkAdapter (Get-TestName a) -Bridge xenbr0 -Rate 1MB/s -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DeviceUnsupported'
        $adapter | Remove-LvmNetworkAdapter -Confirm:$false
        ($domain | Get-LvmNetworkAdapter).DeviceId | Should -Be 1
        Suspend-LvmDomain (Get-TestName a)
        (Add-LvmNetworkAdapter (Get-TestName a) -Bridge xenbr0 -PassThru).MacAddress | Should -Be $adapter.MacAddress
        Resume-LvmDomain (Get-TestName a)
        $domain | Get-LvmNetworkAdapter | Remove-LvmNetworkAdapter -Force -Confirm:$false
        $domain | Get-LvmNetworkAdapter | Should -BeNullOrEmpty
    }

    It 'has the disks that it was made with or got later, alone or with others who only read them' {
        $image = Join-Path $TestDrive 'disk.img'
        [IO.File]::WriteAllBytes($image, [byte[]]::new(1MB))
        $disk = @{ Target = $image; Type = 'File'; VirtualDevice = 'xvda' }
        $domain = New-LvmDomain -Name (Get-TestName a) @noxs -Vbd $disk
        $found = $domain | Get-LvmDisk
        $found.Target | Should -Be $image
        $found.VirtualDevice | Should -Be 'xvda'
        New-LvmDomain -Name (Get-TestName b) @noxs -Vbd ($disk + @{ Access = 'ReadOnly' }) -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'DiskInUse'
        Add-LvmDisk (Get-TestName a) $image xvdb -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DiskInUse'
        $other = Join-Path $TestDrive 'other.img'
        [IO.File]::WriteAllBytes($other, [byte[]]::new(1MB))
        (Add-LvmDisk (Get-TestName a) $other xvdb -PassThru).Target | Should -Be $other
        $domain | Get-LvmDisk | Should -HaveCount 2
        $domain | Get-LvmDisk | Remove-LvmDisk -Confirm:$false
        $domain | Get-LvmDisk | Should -BeNullOrEmpty
        Remove-LvmDomain (Get-TestName a) -Force

        'a', 'b' | ForEach-Object { New-LvmDomain -Name (Get-TestName $_) @noxs -Vbd ($disk + @{ Access = 'ReadOnly' }) } | Get-LvmDisk | Should -HaveCount 2
    }

    It 'is refused a disk that there is not, and nothing is left' {
        foreach ($case in @{ Target = '/nowhere/disk.img'; Id = 'DiskNotFound' }, @{ Target = "$TestDrive"; Id = 'DiskInvalid' }) {
            New-LvmDomain -Name (Get-TestName a) @noxs -Vbd @{ Target = $case.Target; Type = 'File'; VirtualDevice = 'xvda' } -ErrorAction SilentlyContinue -ErrorVariable problem |
                Should -BeNullOrEmpty
            $problem | Get-ErrorId | Should -Be $case.Id
        }

        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'shares neither its name nor an address with another, and both are free when it is gone' {
        $vif = @{ Bridge = 'xenbr0'; Mac = '00:16:3e:7f:00:01' }
        $null = New-LvmDomain -Name (Get-TestName a) @noxs -Vif $vif
        New-LvmDomain -Name (Get-TestName a) @noxs -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'DomainNameTaken'
        New-LvmDomain -Name (Get-TestName b) @noxs -Vif $vif -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'MacAddressTaken'
        Remove-LvmDomain (Get-TestName a) -Force
        (New-LvmDomain -Name (Get-TestName a) @noxs -Vif $vif).Name | Should -Be (Get-TestName a)
    }

    It 'is refused a bridge that there is not, and nothing is left' {
        New-LvmDomain -Name (Get-TestName a) @noxs -Vif @{ Bridge = 'nobridge' } -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'BridgeNotFound'
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'is saved and restored with what it got later' {
        $domain = New-LvmDomain -Name (Get-TestName a) @noxs -Vif @{ Bridge = 'xenbr0' }
        Add-LvmNetworkAdapter (Get-TestName a) -Bridge xenbr1
        $mac = ($domain | Get-LvmNetworkAdapter).MacAddress
        $mac | Should -HaveCount 2
        $path = Join-Path ([IO.Path]::GetTempPath()) "$(Get-TestName a).lightvm"
        try {
            $null = Save-LvmDomain (Get-TestName a) $path
            Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
            $restored = Restore-LvmDomain $path
            $restored.Uuid | Should -Be $domain.Uuid
            ($restored | Get-LvmNetworkAdapter).MacAddress | Should -Be $mac
        }
        finally { Remove-Item -LiteralPath $path -ErrorAction Ignore }
    }

    It 'powers off when it is asked to' {
        $null = New-LvmDomain -Name (Get-TestName a) @noxs
        Stop-LvmDomain (Get-TestName a) -Timeout 60 -Force
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }
}
