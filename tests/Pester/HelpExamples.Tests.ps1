# Every example of docs/help is run, on a host with two web servers, a database and a few files; each domain has an interface and a disk. On Xen only where
# the machine is there to be tried on (Invoke-Tests.ps1 -Disposable): examples have the names that they have, and some are about all domains.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    $pages = Get-ChildItem "$PSScriptRoot/../../docs/help/*-*.md"
    $examples = foreach ($page in $pages) {
        [regex]::Matches((Get-Content $page -Raw), '(?m)^### (Example \d+: .+)\n```powershell\n([\s\S]*?)\n```') | ForEach-Object {
            @{ Page = $page.BaseName; Title = $_.Groups[1].Value; Code = $_.Groups[2].Value }
        }
    }
    # Those that open Xen can only be run there.
    $examples = $examples | Where-Object { $_.Code -notmatch '(?m)^Connect-LvmHost(?!.*-Simulated)' }
    # And those that take the terminal, by somebody who sits at one.
    $examples = $examples | Where-Object { $_.Code -notmatch 'Enter-LvmConsole' }
    # And those that need another host (Move.Tests.ps1 has one).
    $examples = $examples | Where-Object { $_.Code -notmatch '(Move-LvmDomain|Compare-LvmDomain|Resolve-LvmMove)' }
}

BeforeAll {
    Import-Module "$PSScriptRoot/TestHost.psm1" -Force
    Import-Module (Get-TestModulePath) -Force
}

Describe 'The examples of the help' -Skip:((Test-OnXen) -and -not (Test-Disposable)) {
    BeforeEach {
        Connect-TestHost
        $directory = Join-Path $TestDrive ([guid]::NewGuid())
        $null = New-Item -ItemType Directory (Join-Path $directory 'configs') -Force
        Push-Location $directory
        if (Test-OnXen) { Initialize-DisposableHost }
        Copy-Item (Get-TestKernel $TestDrive) (Join-Path $directory 'tiny')
        $null = Write-TestConfig web.json web tiny
        $null = Write-TestConfig configs/alpha.json alpha tiny
        $null = Write-TestConfig configs/beta.json beta tiny -MemoryMiB 8
        '{ "name": "two words", "memory": 0 }' | Set-Content broken.json
        Set-Content data.img ('x' * 512)
        # This machine's own trust is nobody's to try things with.
        $env:LIGHTVM_TRUST = Join-Path $directory 'other'
        $other = New-LvmTrust
        $other.Certificate | Set-Content host-b.pem
        @{ name = 'host-b'; certificate = $other.Certificate } | ConvertTo-Json | Set-Content host-b.json
        $env:LIGHTVM_TRUST = Join-Path $directory 'trust'
        $null = New-LvmTrust host-c -Certificate $other.Certificate
        'web1', 'web2', 'db' | ForEach-Object {
            New-LvmDomain -Name $_ -Kernel tiny -MemoryMiB 4 -Vif @{ Bridge = 'xenbr0' } -Vbd @{ Target = "/simulated/$_.img"; VirtualDevice = 'xvda'; Type = 'File' }
        } | Out-Null
        $null = Checkpoint-LvmDomain web1 web.lightvm
        $null = New-LvmDomain configs/beta.json | Save-LvmDomain -Path plain.lightvm
        Start-LvmService poold
        $null = New-LvmPool web configs/alpha.json
    }

    AfterEach {
        Pop-Location
        Remove-Item -LiteralPath $directory -Recurse -Force # a hundred times two images are more than /tmp may have
        $env:LIGHTVM_TRUST = $null
        Connect-TestHost
        if (Test-OnXen) { Clear-DisposableHost }
        Disconnect-LvmHost
    }

    It '<Page>, <Title>' -ForEach $examples {
        $ErrorActionPreference = 'Stop'
        $ConfirmPreference = 'None'
        { & ([scriptblock]::Create($Code)) | Out-String } | Should -Not -Throw
    }
}
