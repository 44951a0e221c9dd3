BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    Connect-TestHost
    $kernel = Get-TestKernel $TestDrive
    $web, $db = (Get-TestName web), (Get-TestName db)
    $images = New-Item -ItemType Directory (Join-Path $TestDrive images)
    $made = $web, $db | ForEach-Object { New-LvmDomain $_ -Kernel $kernel -MemoryMiB 4 -CommandLine 'idle' -OnCrash Preserve }
    $begin = [datetimeoffset]::Now
    $null = $made | Save-LvmDomain -Path { Join-Path $images "$($_.Name -replace '.*-').lvm" }
}

AfterAll {
    Clear-TestDomain
    Disconnect-LvmHost
}

Describe 'Get-LvmImage' {
    BeforeEach {
        $directory = Join-Path $TestDrive ([guid]::NewGuid())
        Copy-Item -Recurse $images $directory
        Push-Location $directory
        $whole = Join-Path $directory web.lvm
        $bytes = [IO.File]::ReadAllBytes("$directory/db.lvm")
        $bytes[$bytes.Length / 2] = $bytes[$bytes.Length / 2] -bxor 4
        [IO.File]::WriteAllBytes("$directory/db.lvm", $bytes)
    }

    AfterEach { Pop-Location }

    It 'shows what is in an image' {
        $image = Get-LvmImage web.lvm
        $image | Should -BeOfType LightVM.Images.DomainImage
        $image.Path, $image.State, $image.Problem, $image.ErrorId | Should -Be $whole, 'Whole', $null, $null
        $image.Format, $image.FormatVersion, $image.Length | Should -Be 'LightVM', 2, (Get-Item web.lvm).Length
        $image.Name, $image.Uuid, $image.Type, $image.MemoryMiB, $image.VcpuCount | Should -Be $web, $made[0].Uuid, 'PV', 4, 1
        $image.XenVersion, $image.HostName | Should -Be (Get-LvmHost).Version, ([Environment]::MachineName)
        $image.SavedTime | Should -BeGreaterOrEqual $begin.AddSeconds(-1)
        $image.SavedTime | Should -BeLessOrEqual ([datetimeoffset]::Now)
        $image.Config.OnCrash, $image.Config.CommandLine | Should -Be 'Preserve', 'idle'
        $image.Parts.Name | Should -Be 'header', 'config', 'info', 'stream', 'trailer'
        $image.Parts.Fits | Select-Object -Unique | Should -BeTrue
    }

    It 'shows a broken one as an object that says what is wrong, and no error' {
        $image = Get-LvmImage db.lvm -ErrorAction Stop -WarningAction Stop
        $image.State, $image.ErrorId, $image.Name | Should -Be 'Broken', 'ImageInvalid', $db
        $image.Problem | Should -Be 'the checksum of its stream differs: it was damaged'
        ($image.Parts | Where-Object Fits -eq $false).Name | Should -Be 'stream'
        Set-Content empty.lvm -NoNewline ''
        (Get-LvmImage empty.lvm).Problem | Should -Be 'it is empty'
    }

    It 'says the same of it as Restore-LvmDomain does' {
        Restore-LvmDomain db.lvm -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be (Get-LvmImage db.lvm).ErrorId
        $problem.Exception.Message | Should -BeLike "*$((Get-LvmImage db.lvm).Problem)*"
        Get-LvmDomain $db* | Should -BeNullOrEmpty
    }

    It 'takes patterns, several paths, and files from the pipeline' {
        (Get-LvmImage *.lvm).State | Should -Be 'Broken', 'Whole'
        (Get-LvmImage web.lvm, db.lvm).Name | Should -Be $web, $db
        ('web.lvm' | Get-LvmImage | Get-LvmImage).Name | Should -Be $web
        (Get-ChildItem | Get-LvmImage).Count | Should -Be 2
        ([pscustomobject] @{ FullName = $whole } | Get-LvmImage).Name | Should -Be $web
        Get-LvmImage nothing*.lvm -ErrorAction Stop | Should -BeNullOrEmpty
        Move-Item web.lvm 'w[1].lvm'
        (Get-LvmImage -LiteralPath 'w[1].lvm').Name | Should -Be $web
    }

    It 'says of a file that is not there that there is none, and goes on' {
        $found = Get-LvmImage nothing.lvm, $directory, web.lvm -ErrorAction SilentlyContinue -ErrorVariable problem
        $found.Name | Should -Be $web
        $problem | Get-ErrorId | Should -Be 'ImageNotFound', 'ImageUnreadable'
        $problem[0].CategoryInfo.Category, $problem[0].TargetObject | Should -Be 'ObjectNotFound', (Join-Path $directory 'nothing.lvm')
        Get-LvmImage env:PATH -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'ImageNotFound'
    }

    It 'gives a configuration that can be written' {
        (Get-LvmImage web.lvm).Config | Export-LvmDomainConfig saved.json
        (Import-LvmDomainConfig saved.json).Name | Should -Be $web
    }

    It 'reads like a table, and in a list like more' {
        $text = Get-LvmImage *.lvm | Out-String -Width 200
        $text | Should -Match '(?s)Name\s+State\s+Type\s+VCPUs\s+Memory\(MiB\)\s+Saved\s+Length\s+Path.*db\s+Broken.*web\s+Whole\s+PV\s+1\s+4\s+20\d\d-\d\d-\d\d'
        $text = Get-LvmImage *.lvm | Format-List | Out-String -Width 200
        $text | Should -Match 'Problem\s+: the checksum of its stream differs: it was damaged \(ImageInvalid\)'
        $text | Should -Match 'Parts\s+: header 64 bytes, .*stream \d+ bytes \(damaged\), trailer 160 bytes'
        $text | Should -Match 'Format\s+: LightVM, version 2'
    }

    It 'completes paths' {
        (TabExpansion2 'Get-LvmImage w' 14).CompletionMatches.CompletionText | Should -BeLike '*web.lvm'
    }
}
