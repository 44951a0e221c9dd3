BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
    $before = $env:LIGHTVM_TRUST

    # Runs something on another host, which is another folder.
    function On([string] $HostName, [scriptblock] $Script) {
        $here = $env:LIGHTVM_TRUST
        $env:LIGHTVM_TRUST = Join-Path $folder $HostName
        try { & $Script } finally { $env:LIGHTVM_TRUST = $here }
    }
}

AfterAll {
    $env:LIGHTVM_TRUST = $before
}

Describe 'New-, Get- and Remove-LvmTrust' {
    BeforeEach {
        $folder = Join-Path $TestDrive ([guid]::NewGuid())
        $env:LIGHTVM_TRUST = Join-Path $folder 'here'
    }

    It 'make a key, once' {
        Get-LvmTrust -ErrorAction Stop | Should -BeNullOrEmpty
        Get-LvmTrust -Self -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'TrustMissing'
        $made = New-LvmTrust
        $made | Should -BeOfType LightVM.Trust.TrustEntry
        $made.IsSelf | Should -BeTrue
        $made.Fingerprint | Should -Match '^SHA256:[A-Za-z0-9+/]{43}$'
        $made.Certificate | Should -Match '^-----BEGIN CERTIFICATE-----'
        $made.Path | Should -Be (Join-Path $folder 'here/host.pem')
        (Get-LvmTrust -Self).Fingerprint | Should -Be $made.Fingerprint
        New-LvmTrust -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'TrustExists'
        $problem.CategoryInfo.Category | Should -Be 'ResourceExists'
        (New-LvmTrust -Force).Fingerprint | Should -Not -Be $made.Fingerprint
    }

    It 'admit another host by what it shows' {
        $there = On there { New-LvmTrust }
        $admitted = $there | New-LvmTrust -Name Host-B
        $admitted.Name, $admitted.IsSelf, $admitted.Fingerprint, $admitted.Certificate | Should -Be 'host-b', $false, $there.Fingerprint, $there.Certificate
        # As it comes by remoting: a copy of the object, which names itself.
        $copy = [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($there))
        ($copy | New-LvmTrust).Name | Should -Be $there.Name
        Get-LvmTrust | ForEach-Object Fingerprint | Should -Be @($there.Fingerprint, $there.Fingerprint)
    }

    It 'admit it by a file and by a fingerprint' {
        $there = On there { New-LvmTrust }
        $there.Certificate | Set-Content (Join-Path $folder 'b.pem')
        Push-Location $folder
        try { (New-LvmTrust b b.pem).Fingerprint | Should -Be $there.Fingerprint } finally { Pop-Location }
        (New-LvmTrust c -CertificatePath (Join-Path $folder 'b.pem')).Name | Should -Be 'c'
        $short = New-LvmTrust d -Fingerprint $there.Fingerprint
        $short.Fingerprint, $short.Certificate | Should -Be $there.Fingerprint, $null
        New-LvmTrust e (Join-Path $folder 'none.pem') -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'CertificateNotFound'
    }

    It 'refuse what is no certificate, no name and a name that is taken' {
        $there = On there { New-LvmTrust }
        New-LvmTrust b -Certificate 'hello' -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'TrustInvalid'
        New-LvmTrust ../b -Fingerprint $there.Fingerprint -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'TrustNameInvalid'
        $null = New-LvmTrust b -Fingerprint $there.Fingerprint
        New-LvmTrust b -Fingerprint $there.Fingerprint -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'TrustExists'
        (New-LvmTrust b -Certificate $there.Certificate -Force).Certificate | Should -Be $there.Certificate
    }

    It 'show peers by name and by pattern' {
        $there = On there { New-LvmTrust }
        'b1', 'b2', 'c' | ForEach-Object { $null = New-LvmTrust $_ -Fingerprint $there.Fingerprint }
        (Get-LvmTrust b*).Name | Should -Be 'b1', 'b2'
        ('C', 'b1' | Get-LvmTrust).Name | Should -Be 'c', 'b1'
        Get-LvmTrust x* -ErrorAction Stop | Should -BeNullOrEmpty
        (Get-LvmTrust x, c -ErrorAction SilentlyContinue -ErrorVariable problem).Name | Should -Be 'c'
        $problem | Get-ErrorId | Should -Be 'PeerUnknown'
        $problem.TargetObject | Should -Be 'x'
        Set-Content (Join-Path $folder 'here/peers/b1.pem') 'damaged'
        (Get-LvmTrust -ErrorAction SilentlyContinue -ErrorVariable problem).Name | Should -Be 'b2', 'c'
        $problem | Get-ErrorId | Should -Be 'TrustInvalid'
    }

    It 'remove peers, and the key' {
        $there = On there { New-LvmTrust }
        'b1', 'b2', 'c' | ForEach-Object { $null = New-LvmTrust $_ -Fingerprint $there.Fingerprint }
        $null = New-LvmTrust
        Remove-LvmTrust * -WhatIf
        Remove-LvmTrust -Self -WhatIf
        (Get-LvmTrust).Count | Should -Be 4
        Remove-LvmTrust b* -Force | Should -BeNullOrEmpty
        (Get-LvmTrust *).Name | Should -Be 'c'
        Remove-LvmTrust x, C -Confirm:$false -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'PeerUnknown'
        (Get-LvmTrust).IsSelf | Should -BeTrue
        Remove-LvmTrust -Self -Force
        Get-LvmTrust | Should -BeNullOrEmpty
    }

    It 'change nothing with -WhatIf' {
        New-LvmTrust -WhatIf
        New-LvmTrust b -Fingerprint ('0' * 64) -WhatIf
        Get-LvmTrust | Should -BeNullOrEmpty
    }

    It 'read like a table, and complete names' {
        $there = On there { New-LvmTrust }
        $null = New-LvmTrust
        $null = New-LvmTrust host-b -Fingerprint $there.Fingerprint
        Get-LvmTrust | Out-String -Width 160 | Should -Match "(?s)Name\s+Kind\s+Since\s+Fingerprint.*\sself\s.*host-b\s+peer\s+\d{4}-\d\d-\d\d \d\d:\d\d\s+$([regex]::Escape($there.Fingerprint))"
        (TabExpansion2 'Get-LvmTrust HO' 15).CompletionMatches.CompletionText | Should -Be 'host-b'
        (TabExpansion2 'Remove-LvmTrust ' 16).CompletionMatches.CompletionText | Should -Be 'host-b'
    }
}
