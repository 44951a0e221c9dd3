BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    # One small domain under a name of its own; a deaf one does not hear what it is asked.
    function New-TestDomain([string] $Name, [switch] $Deaf, [switch] $Paused) {
        New-LvmDomain -Name (Get-TestName $Name) -Kernel $kernel -MemoryMiB 4 -CommandLine ($Deaf ? 'noxs' : '') -Paused:$Paused
    }
}

AfterAll {
    Clear-TestDomain
    Disconnect-LvmHost
}

Describe 'Save-LvmDomain and Restore-LvmDomain' {
    BeforeEach {
        $folder = Join-Path $TestDrive ([guid]::NewGuid())
        $null = New-Item -ItemType Directory $folder
        Push-Location $folder
    }

    AfterEach {
        Pop-Location
        Clear-TestDomain
    }

    It 'saves a domain to a file, and makes the same domain of it' {
        $domain = New-TestDomain a
        $image = Save-LvmDomain (Get-TestName a) a.img
        $image.GetType().Name, $image.Name, "$($image.State)", $image.Path | Should -Be 'DomainImage', $domain.Name, 'Whole', (Join-Path $folder a.img)
        Get-LvmDomain (Get-TestName 'a*') | Should -BeNullOrEmpty
        $restored = Restore-LvmDomain a.img
        $restored.Uuid, $restored.Name | Should -Be $domain.Uuid, $domain.Name
        $restored.Id | Should -Not -Be $domain.Id
        (Get-LvmDomain (Get-TestName a)).State | Should -BeIn 'Blocked', 'Running', 'Runnable'
    }

    It 'saves a group into a directory, and takes it back from the pipeline' {
        'a', 'b' | ForEach-Object { $null = New-TestDomain $_ }
        $images = Get-LvmDomain (Get-TestName '*') | Save-LvmDomain -Path .
        $images.Name | Sort-Object | Should -Be (Get-TestName a), (Get-TestName b)
        (Get-ChildItem).Name | Should -Be "$(Get-TestName a).lightvm", "$(Get-TestName b).lightvm"
        (Get-ChildItem | Restore-LvmDomain).Name | Should -Be (Get-TestName a), (Get-TestName b)
        $null = Get-LvmDomain (Get-TestName '*') | Save-LvmDomain -Path { "again-$($_.Name)" }
        ($images = Restore-LvmDomain again-*).Count | Should -Be 2
    }

    It 'takes images by object' {
        $null = New-TestDomain a
        (Save-LvmDomain (Get-TestName a) a.img | Restore-LvmDomain -Paused).State | Should -Be 'Paused'
    }

    It 'refuses to write two domains into one file' {
        'a', 'b' | ForEach-Object { $null = New-TestDomain $_ }
        Get-LvmDomain (Get-TestName '*') | Save-LvmDomain -Path one.img -Force -ErrorAction SilentlyContinue -ErrorVariable problem | Should -HaveCount 1
        $problem | Get-ErrorId | Should -Be 'ImageExists'
        (Get-LvmDomain (Get-TestName '*')).Name | Should -Be (Get-TestName b)
    }

    It 'keeps an image that is there, unless -Force is given' {
        $null = New-TestDomain a
        Set-Content a.img precious
        Save-LvmDomain (Get-TestName a) a.img -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'ImageExists'
        $problem.CategoryInfo.Category | Should -Be 'ResourceExists'
        Get-Content a.img | Should -Be precious
        (Save-LvmDomain (Get-TestName a) a.img -Force).State | Should -Be 'Whole'
    }

    It 'lets a guest go on that does not suspend itself' {
        $null = New-TestDomain deaf -Deaf
        Save-LvmDomain (Get-TestName deaf) deaf.img -Timeout 1 -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'SuspendTimeout'
        $problem.TargetObject.Name | Should -Be (Get-TestName deaf)
        Get-ChildItem -Force | Should -BeNullOrEmpty
        (Get-LvmDomain (Get-TestName deaf)).State | Should -BeIn 'Blocked', 'Running', 'Runnable'
    }

    It 'names what is wrong: <Because>' -ForEach @(
        @{ Because = 'there is no such domain'; Id = 'DomainNotFound'; Code = { Save-LvmDomain (Get-TestName none) none.img } }
        @{ Because = 'it is paused'; Id = 'DomainInvalidState'; Code = { $null = New-TestDomain p -Paused; Save-LvmDomain (Get-TestName p) p.img } }
        @{ Because = 'it is the control domain'; Id = 'DomainProtected'; Code = { Save-LvmDomain -Id 0 zero.img } }
        @{ Because = 'there is no such image'; Id = 'ImageNotFound'; Code = { Restore-LvmDomain none.img } }
        @{ Because = 'it is no image'; Id = 'ImageInvalid'; Code = { Set-Content no.img 'nothing of the kind'; Restore-LvmDomain no.img } }
    ) {
        $ErrorActionPreference = 'Continue'
        & $Code 2>&1 | Get-ErrorId | Should -Be $Id
        Get-LvmDomain (Get-TestName '*') | Where-Object State -NE Paused | Should -BeNullOrEmpty
    }

    It 'asks with -WhatIf and does nothing' {
        $null = New-TestDomain a
        Save-LvmDomain (Get-TestName a) a.img -WhatIf
        Get-ChildItem -Force | Should -BeNullOrEmpty
        $null = Save-LvmDomain (Get-TestName a) a.img
        Restore-LvmDomain a.img -WhatIf | Should -BeNullOrEmpty
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
    }
}

Describe 'Checkpoint-LvmDomain and Copy-LvmDomain' {
    BeforeEach { Push-Location $TestDrive }

    AfterEach {
        Pop-Location
        Clear-TestDomain
    }

    It 'lets the guest go on, and can be gone back to' {
        $domain = New-TestDomain a
        (Checkpoint-LvmDomain (Get-TestName a) a.img).State | Should -Be 'Whole'
        (Checkpoint-LvmDomain (Get-TestName a) a.img -Force).State | Should -Be 'Whole'
        (Get-LvmDomain (Get-TestName a)).Id | Should -Be $domain.Id
        Restore-LvmDomain a.img -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainNameTaken'
        Remove-LvmDomain (Get-TestName a) -Force
        (Restore-LvmDomain a.img).Uuid | Should -Be $domain.Uuid
    }

    It 'makes other domains, of running ones and of images' {
        $domain = New-TestDomain a
        $copy = Copy-LvmDomain (Get-TestName a) (Get-TestName b)
        $null = Checkpoint-LvmDomain (Get-TestName a) copied.img
        $another = Copy-LvmDomain -Path copied.img -NewName (Get-TestName c) -Paused
        (Get-LvmDomain (Get-TestName '*')).Name | Should -Be (Get-TestName a), (Get-TestName b), (Get-TestName c)
        @($domain.Uuid, $copy.Uuid, $another.Uuid | Select-Object -Unique).Count | Should -Be 3
        $another.State | Should -Be 'Paused'
        ($another | Resume-LvmDomain -PassThru).State | Should -Not -Be 'Paused'
    }

    It 'is refused a name that is taken, with nothing left of it' {
        $null = New-TestDomain a
        Copy-LvmDomain (Get-TestName a) (Get-TestName a) -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'DomainNameTaken'
        @(Get-LvmDomain (Get-TestName '*')).Count | Should -Be 1
    }
}
