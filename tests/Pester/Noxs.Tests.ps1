BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    # On Xen it has to be a guest that knows of it: the kernel of the other tests does not.
    $kernel = (Test-OnXen) ? (Join-Path (Split-Path $env:LIGHTVM_TEST_KERNEL) 'idle.elf') : (Get-TestKernel $TestDrive)
    $ranBefore = -not (Test-OnXen) -or (Get-LvmService noxsd).State -eq 'Running'
    if (-not $ranBefore) { Start-LvmService noxsd }
    $noxs = @{ Kernel = $kernel; MemoryMiB = 4; DeviceMethod = 'Noxs' }
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

    It 'has the interfaces that it was made with, and gets no others while it runs' {
        $domain = New-LvmDomain -Name (Get-TestName a) @noxs -Vif @{ Bridge = 'xenbr0' }
        $adapter = $domain | Get-LvmNetworkAdapter
        $adapter.Bridge | Should -Be 'xenbr0'
        $adapter.State | Should -BeIn 'InitWait', 'Connected'
        $adapter.MacAddress | Should -Match '^00:16:3e(:[0-9a-f]{2}){3}$'
        Add-LvmNetworkAdapter (Get-TestName a) -Bridge xenbr0 -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DeviceUnsupported'
        $adapter | Remove-LvmNetworkAdapter -Confirm:$false
        $domain | Get-LvmNetworkAdapter | Should -BeNullOrEmpty
    }

    It 'has the disk that it was made with, alone or with others who only read it' {
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
        $problem | Get-ErrorId | Should -Be 'DeviceUnsupported'
        $found | Remove-LvmDisk -Confirm:$false
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

    It 'is saved and restored' {
        $domain = New-LvmDomain -Name (Get-TestName a) @noxs -Vif @{ Bridge = 'xenbr0' }
        $mac = ($domain | Get-LvmNetworkAdapter).MacAddress
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
