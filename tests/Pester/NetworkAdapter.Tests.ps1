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
        param([string] $Name, [string] $CommandLine = '', [object[]] $Vif = @())
        New-LvmDomain -Name (Get-TestName $Name) -Kernel $kernel -MemoryMiB 4 -CommandLine $CommandLine -Vif $Vif
    }
    $mac = '00:16:3e:7e:57:01'
}

AfterAll {
    Clear-TestDomain
    Stop-TestDeviceDaemon
    Disconnect-LvmHost
}

Describe 'A domain that is created with interfaces' -Skip:$noDevices {
    AfterEach { Clear-TestDomain }

    It 'has them, in their order' {
        $adapters = New-TestDomain web -Vif @{ Bridge = 'xenbr0'; Mac = $mac; Ip = '10.0.0.2' }, @{ Bridge = 'xenbr1'; Rate = '10Mb/s'; QueueCount = 2; Trusted = $false } | Get-LvmNetworkAdapter
        $adapters | Should -BeOfType LightVM.Devices.NetworkAdapter
        $adapters.DeviceId | Should -Be 0, 1
        $adapters.Bridge | Should -Be 'xenbr0', 'xenbr1'
        $adapters[0].MacAddress, $adapters[0].IpAddress, $adapters[0].Trusted | Should -Be $mac, '10.0.0.2', $true
        $adapters[1].MacAddress | Should -Match '^00:16:3e(:[0-9a-f]{2}){3}$'
        $adapters[1].Rate, $adapters[1].QueueCount, $adapters[1].Trusted | Should -Be '10Mb/s', 2, $false
    }

    It 'leaves nothing when one of them has no bridge to join' {
        $before = @(Get-LvmNetworkAdapter).Count
        New-TestDomain web -Vif @{ Bridge = 'xenbr0'; Mac = $mac }, @{ Bridge = 'nosuchbridge' } -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be 'BridgeNotFound'
        Get-LvmDomain (Get-TestName '*') | Should -BeNullOrEmpty
        @(Get-LvmNetworkAdapter).Count | Should -Be $before
        # Its address is free again.
        (New-TestDomain web -Vif @{ Bridge = 'xenbr0'; Mac = $mac } | Get-LvmNetworkAdapter).MacAddress | Should -Be $mac
    }

    It 'takes them away with itself' {
        New-TestDomain web -Vif @{ Bridge = 'xenbr0' } | Remove-LvmDomain -Force
        Get-LvmNetworkAdapter | Where-Object DomainName -EQ (Get-TestName web) | Should -BeNullOrEmpty
    }
}

Describe 'Get-LvmNetworkAdapter' -Skip:$noDevices {
    BeforeAll {
        $web1, $web2 = 'web1', 'web2' | ForEach-Object { New-TestDomain $_ -Vif @{ Bridge = 'xenbr0' }, @{ Bridge = 'xenbr1' } }
        $db = New-TestDomain db -Vif @{ Bridge = 'xenbr1'; Mac = $mac }
        $null = New-TestDomain alone
    }

    AfterAll { Clear-TestDomain }

    It 'lists those of all domains without a domain, in the order of the ids' {
        $ours = Get-LvmNetworkAdapter | Where-Object { $_.DomainName -like (Get-TestName '*') }
        $ours.DomainId | Should -Be $web1.Id, $web1.Id, $web2.Id, $web2.Id, $db.Id
        $ours.DeviceId | Should -Be 0, 1, 0, 1, 0
    }

    It 'lists those of domains by name, pattern, id, uuid and object' {
        (Get-LvmNetworkAdapter (Get-TestName db)).DomainId | Should -Be $db.Id
        (Get-LvmNetworkAdapter (Get-TestName 'web*'), (Get-TestName db)).Count | Should -Be 5
        (Get-LvmNetworkAdapter -Id $web1.Id, $web1.Id).DeviceId | Should -Be 0, 1
        (Get-LvmNetworkAdapter -Uuid $db.Uuid).MacAddress | Should -Be $mac
        ($db, $web1 | Get-LvmNetworkAdapter).DomainId | Should -Be $db.Id, $web1.Id, $web1.Id
        ((Get-TestName db) | Get-LvmNetworkAdapter).DomainId | Should -Be $db.Id
        Get-LvmNetworkAdapter (Get-TestName alone) -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'chooses by number and by address' {
        (Get-LvmNetworkAdapter (Get-TestName '*') -DeviceId 1).DomainId | Should -Be $web1.Id, $web2.Id
        (Get-LvmNetworkAdapter (Get-TestName 'web1') -DeviceId 1, 0).DeviceId | Should -Be 0, 1
        (Get-LvmNetworkAdapter -MacAddress $mac).DomainName | Should -Be (Get-TestName db)
        (Get-LvmNetworkAdapter -MacAddress '0:16:3E:7E:57:1').DomainName | Should -Be (Get-TestName db)
        (Get-LvmNetworkAdapter (Get-TestName '*') -MacAddress '00:16:3E:*').Count | Should -Be 5
        Get-LvmNetworkAdapter (Get-TestName '*') -DeviceId 7 -ErrorAction Stop | Should -BeNullOrEmpty
        Get-LvmNetworkAdapter (Get-TestName '*') -MacAddress none -ErrorAction Stop | Should -BeNullOrEmpty
    }

    It 'says of a domain that there is none, and lists the others' {
        $found = Get-LvmNetworkAdapter (Get-TestName nobody), (Get-TestName db) -ErrorAction SilentlyContinue -ErrorVariable problem
        $found.DomainId | Should -Be $db.Id
        $problem | Get-ErrorId | Should -Be 'DomainNotFound'
        $problem.TargetObject | Should -Be (Get-TestName nobody)
    }

    It 'shows a table, and everything as a list' {
        $text = Get-LvmNetworkAdapter (Get-TestName db) | Out-String -Width 200
        $text | Should -Match 'Domain\s+ID\s+MacAddress\s+Bridge\s+IpAddress\s+State\s+Interface'
        $text | Should -Match "(?m)^$([regex]::Escape((Get-TestName db)))\s+0\s+$mac\s+xenbr1\s+\w+\s+vif$($db.Id)\.0"
        $list = Get-LvmNetworkAdapter (Get-TestName db) | Format-List | Out-String -Width 200
        $list | Should -Match "Domain\s+: $([regex]::Escape((Get-TestName db))) \(id $($db.Id)\)"
        $list | Should -Match 'Rate\s+: no limit'
        $list | Should -Match 'Trusted\s+: True'
    }
}

Describe 'Add-LvmNetworkAdapter' -Skip:$noDevices {
    BeforeEach { $domains = 'a', 'b' | ForEach-Object { New-TestDomain $_ } }
    AfterEach { Clear-TestDomain }

    It 'adds an adapter by name and bridge, without output' {
        Add-LvmNetworkAdapter (Get-TestName a) xenbr0 | Should -BeNullOrEmpty
        $adapter = Get-LvmNetworkAdapter (Get-TestName a)
        $adapter.Bridge, $adapter.DeviceId | Should -Be 'xenbr0', 0
        Get-LvmNetworkAdapter (Get-TestName b) | Should -BeNullOrEmpty
    }

    It 'says everything of it, and returns it with -PassThru' {
        $adapter = Add-LvmNetworkAdapter -Id $domains[0].Id -Bridge xenbr1 -MacAddress '0:16:3E:7E:57:1' -IpAddress fd00::7 -Rate '1000Kb/s' -QueueCount 2 -Untrusted -Timeout 60 -PassThru
        $adapter.DomainName, $adapter.DomainId, $adapter.Bridge, $adapter.MacAddress, $adapter.IpAddress | Should -Be (Get-TestName a), $domains[0].Id, 'xenbr1', $mac, 'fd00::7'
        $adapter.Rate, $adapter.QueueCount, $adapter.Trusted, $adapter.InterfaceName | Should -Be '1Mb/s', 2, $false, "vif$($domains[0].Id).0"
        $listed = Get-LvmNetworkAdapter -Id $domains[0].Id
        $listed.MacAddress, $listed.Rate, $listed.Trusted | Should -Be $mac, '1Mb/s', $false
    }

    It 'adds one to each of several domains, each with an address of its own' {
        ($domains | Add-LvmNetworkAdapter -Bridge xenbr0 -PassThru).MacAddress | Sort-Object -Unique | Should -HaveCount 2
        (Add-LvmNetworkAdapter (Get-TestName '*') -PassThru).DeviceId | Should -Be 1, 1
        (Add-LvmNetworkAdapter -Uuid $domains.Uuid xenbr1 -PassThru).Bridge | Should -Be 'xenbr1', 'xenbr1'
    }

    It 'gives an address to one of several domains only, and says so of the others' {
        $added = $domains | Add-LvmNetworkAdapter -Bridge xenbr0 -MacAddress $mac -PassThru -ErrorAction SilentlyContinue -ErrorVariable problem
        $added.DomainName | Should -Be (Get-TestName a)
        $problem | Get-ErrorId | Should -Be 'MacAddressTaken'
        $problem.CategoryInfo.Category | Should -Be 'ResourceExists'
        $problem.TargetObject.Name | Should -Be (Get-TestName b)
    }

    It 'refuses <Id>' -ForEach @(
        @{ Id = 'BridgeNotFound'; Category = 'ObjectNotFound'; With = @{ Bridge = 'nosuchbridge' } }
        @{ Id = 'NetworkAdapterInvalid'; Category = 'InvalidArgument'; With = @{ Rate = '10' } }
        @{ Id = 'NetworkAdapterInvalid'; Category = 'InvalidArgument'; With = @{ MacAddress = '01:00:5e:00:00:01' } }
        @{ Id = 'NetworkAdapterInvalid'; Category = 'InvalidArgument'; With = @{ IpAddress = '10.1' } }
        @{ Id = 'NetworkAdapterInvalid'; Category = 'InvalidArgument'; With = @{ Bridge = 'a bridge' } }
    ) {
        Add-LvmNetworkAdapter (Get-TestName a) @With -PassThru -ErrorAction SilentlyContinue -ErrorVariable problem | Should -BeNullOrEmpty
        $problem | Get-ErrorId | Should -Be $Id
        $problem.CategoryInfo.Category | Should -Be $Category
        $problem.TargetObject.Id | Should -Be $domains[0].Id
        $problem.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
        Get-LvmNetworkAdapter (Get-TestName a) | Should -BeNullOrEmpty
    }

    It 'refuses an address that the domain has already' {
        Add-LvmNetworkAdapter (Get-TestName a) -MacAddress $mac
        Add-LvmNetworkAdapter (Get-TestName a) -MacAddress $mac -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'MacAddressTaken'
        @(Get-LvmNetworkAdapter (Get-TestName a)).Count | Should -Be 1
    }

    It 'refuses the 17th' {
        1..16 | ForEach-Object { Add-LvmNetworkAdapter (Get-TestName a) -ErrorAction Stop }
        Add-LvmNetworkAdapter (Get-TestName a) -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'TooManyDevices'
        $problem.CategoryInfo.Category | Should -Be 'LimitsExceeded'
        (Get-LvmNetworkAdapter (Get-TestName a)).DeviceId | Should -Be (0..15)
    }

    It 'gives the number that is free' {
        1..3 | ForEach-Object { Add-LvmNetworkAdapter (Get-TestName a) }
        Remove-LvmNetworkAdapter (Get-TestName a) 1
        (Add-LvmNetworkAdapter (Get-TestName a) -PassThru).DeviceId | Should -Be 1
    }

    It 'goes on after a domain that is gone, and one that there is none of' {
        Remove-LvmDomain (Get-TestName a) -Force
        $added = $domains | Add-LvmNetworkAdapter -PassThru -ErrorAction SilentlyContinue -ErrorVariable gone
        $added.DomainName | Should -Be (Get-TestName b)
        $gone | Get-ErrorId | Should -Be 'DomainGone'
        $added = Add-LvmNetworkAdapter (Get-TestName nobody), (Get-TestName b) -PassThru -ErrorAction SilentlyContinue -ErrorVariable unknown
        $added.DomainName | Should -Be (Get-TestName b)
        $unknown | Get-ErrorId | Should -Be 'DomainNotFound'
    }

    It 'refuses the control domain' {
        Add-LvmNetworkAdapter Domain-0 -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainProtected'
    }

    It 'refuses a domain that has ended' -Skip:$onXen {
        New-TestDomain ended crash | Add-LvmNetworkAdapter -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainInvalidState'
        $problem.CategoryInfo.Category | Should -Be 'InvalidOperation'
    }

    It 'adds nothing with -WhatIf' {
        Add-LvmNetworkAdapter (Get-TestName '*') xenbr0 -WhatIf
        Get-LvmNetworkAdapter (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'refuses parameters out of range before it looks at a domain' {
        { Add-LvmNetworkAdapter x -QueueCount 65 } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
        { Add-LvmNetworkAdapter x -QueueCount 0 } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
        { Add-LvmNetworkAdapter x -Timeout 0 } | Should -Throw -ErrorId 'ParameterArgumentValidationError,*'
    }

    It 'proposes the bridges of the host' {
        $line = 'Add-LvmNetworkAdapter x -Bridge xenb'
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be 'xenbr0', 'xenbr1'
    }
}

Describe 'Remove-LvmNetworkAdapter' -Skip:$noDevices {
    BeforeEach { $domains = 'a', 'b' | ForEach-Object { New-TestDomain $_ -Vif @{ Bridge = 'xenbr0' }, @{ Bridge = 'xenbr1' } } }
    AfterEach { Clear-TestDomain }

    It 'removes by domain and number, without output' {
        Remove-LvmNetworkAdapter (Get-TestName a) 0 | Should -BeNullOrEmpty
        (Get-LvmNetworkAdapter (Get-TestName a)).DeviceId | Should -Be 1
        Remove-LvmNetworkAdapter -Id $domains[0].Id -DeviceId 1
        Get-LvmNetworkAdapter (Get-TestName a) | Should -BeNullOrEmpty
        Remove-LvmNetworkAdapter -Uuid $domains[1].Uuid 0, 1
        Get-LvmNetworkAdapter (Get-TestName b) | Should -BeNullOrEmpty
    }

    It 'removes what the pipeline has: domains, names, adapters' {
        $domains | Remove-LvmNetworkAdapter -DeviceId 0
        (Get-LvmNetworkAdapter (Get-TestName '*')).DeviceId | Should -Be 1, 1
        $domains | Add-LvmNetworkAdapter -Bridge xenbr0
        $domains.Name | Remove-LvmNetworkAdapter -DeviceId 0
        Get-LvmDomain (Get-TestName a) | Get-LvmNetworkAdapter | Remove-LvmNetworkAdapter
        (Get-LvmNetworkAdapter (Get-TestName '*')).DomainName | Should -Be (Get-TestName b)
        Get-LvmNetworkAdapter (Get-TestName '*') | Remove-LvmNetworkAdapter
        Get-LvmNetworkAdapter (Get-TestName '*') | Should -BeNullOrEmpty
        Add-LvmNetworkAdapter (Get-TestName a) -PassThru | Remove-LvmNetworkAdapter
        Get-LvmNetworkAdapter (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'removes by address, of all domains or of those that are named' {
        $address = (Get-LvmNetworkAdapter (Get-TestName a) -DeviceId 1).MacAddress
        Remove-LvmNetworkAdapter (Get-TestName b) -MacAddress $address -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DeviceNotFound'
        $problem.TargetObject | Should -Be $address
        Remove-LvmNetworkAdapter -MacAddress $address.ToUpperInvariant()
        (Get-LvmNetworkAdapter (Get-TestName '*')).DeviceId | Should -Be 0, 0, 1
        Remove-LvmNetworkAdapter (Get-TestName '*') -MacAddress '*'
        Remove-LvmNetworkAdapter (Get-TestName '*') -MacAddress '*' -ErrorAction Stop
        Get-LvmNetworkAdapter (Get-TestName '*') | Should -BeNullOrEmpty
    }

    It 'says of a number that there is none, and removes the others' {
        Remove-LvmNetworkAdapter (Get-TestName '*') 7, 1 -ErrorAction SilentlyContinue -ErrorVariable problems
        $problems | Get-ErrorId | Should -Be 'DeviceNotFound', 'DeviceNotFound'
        $problems[0].CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $problems.TargetObject.Name | Should -Be $domains.Name
        (Get-LvmNetworkAdapter (Get-TestName '*')).DeviceId | Should -Be 0, 0
    }

    It 'never means another adapter that has the number now' {
        $listed = Get-LvmNetworkAdapter (Get-TestName a) -DeviceId 0
        Remove-LvmNetworkAdapter (Get-TestName a) 0
        $new = Add-LvmNetworkAdapter (Get-TestName a) -MacAddress $mac -PassThru
        $new.DeviceId | Should -Be 0
        $listed | Remove-LvmNetworkAdapter -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DeviceNotFound'
        $problem.TargetObject | Should -Be $listed
        (Get-LvmNetworkAdapter (Get-TestName a) -DeviceId 0).MacAddress | Should -Be $mac
    }

    It 'goes on after a domain that is gone' {
        $adapters = Get-LvmNetworkAdapter (Get-TestName '*') -DeviceId 0
        Remove-LvmDomain (Get-TestName a) -Force
        $adapters | Remove-LvmNetworkAdapter -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DomainGone'
        $problem.TargetObject | Should -Be $adapters[0]
        (Get-LvmNetworkAdapter (Get-TestName b)).DeviceId | Should -Be 1
    }

    It 'removes nothing with -WhatIf, not even with -Force' {
        Get-LvmNetworkAdapter (Get-TestName '*') | Remove-LvmNetworkAdapter -WhatIf
        Remove-LvmNetworkAdapter (Get-TestName '*') 0, 1 -Force -WhatIf
        @(Get-LvmNetworkAdapter (Get-TestName '*')).Count | Should -Be 4
    }

    It 'is busy while the guest does not let go, and does without it with -Force' -Skip:$onXen {
        $null = New-TestDomain c spin -Vif @{ Bridge = 'xenbr0' }
        $adapter = Get-LvmNetworkAdapter (Get-TestName c)
        $adapter | Remove-LvmNetworkAdapter -Timeout 3 -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem | Get-ErrorId | Should -Be 'DeviceBusy'
        $problem.CategoryInfo.Category | Should -Be 'OperationTimeout'
        $problem.TargetObject | Should -Be $adapter
        $problem.ErrorDetails.Message | Should -Match 'within 3 s'
        Get-LvmNetworkAdapter (Get-TestName c) | Should -Not -BeNullOrEmpty
        $adapter | Remove-LvmNetworkAdapter -Force
        Get-LvmNetworkAdapter (Get-TestName c) | Should -BeNullOrEmpty
    }

    It 'wants to know which' {
        (Get-Command Remove-LvmNetworkAdapter).ParameterSets.Where({ $_.Name -in 'Name', 'Id', 'Uuid', 'InputObject' }) |
            ForEach-Object { $_.Parameters.Where({ $_.Name -eq 'DeviceId' }).IsMandatory | Should -BeTrue }
        (Get-Command Remove-LvmNetworkAdapter).ImplementingType.GetCustomAttributes([System.Management.Automation.CmdletAttribute], $false).ConfirmImpact | Should -Be 'Medium'
    }

    It 'proposes numbers and addresses of the domain that the line names' {
        $line = "Remove-LvmNetworkAdapter $(Get-TestName a) -DeviceId "
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be '0', '1'
        $line = "Remove-LvmNetworkAdapter $(Get-TestName b) -MacAddress "
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be ((Get-LvmNetworkAdapter (Get-TestName b)).MacAddress | ForEach-Object { "'$_'" })
    }
}
