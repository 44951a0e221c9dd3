# What the Pester tests share: the module under test, the host, a kernel, and names that are nobody else's.
#
# LIGHTVM_TEST_MODULE  the module's directory (artifacts/module/LightVM)
# LIGHTVM_TEST_HOST    "xen" for the Xen of this machine; anything else is the simulated host
# LIGHTVM_TEST_KERNEL  a PV kernel that runs in 4 MiB; needed on Xen, where a made-up one would not start
# LIGHTVM_TEST_DISPOSABLE  set where nothing on this machine's Xen is anybody's

$script:Prefix = 'pester{0}-' -f [guid]::NewGuid().ToString('n').Substring(0, 6)

function Get-TestModulePath {
    if ($env:LIGHTVM_TEST_MODULE) { return $env:LIGHTVM_TEST_MODULE }
    [IO.Path]::GetFullPath((Join-Path $PSScriptRoot '../../artifacts/module/LightVM'))
}

function Test-OnXen { $env:LIGHTVM_TEST_HOST -eq 'xen' }

function Test-Disposable { [bool] $env:LIGHTVM_TEST_DISPOSABLE }

# What a simulated host has of itself: its files below /simulated, and its daemons.
function Initialize-DisposableHost {
    $null = New-Item -ItemType Directory /simulated -Force
    Copy-Item (Get-TestKernel) /simulated/tiny.elf
    'web1', 'web2', 'web3', 'db', 'common' | ForEach-Object { [IO.File]::WriteAllBytes("/simulated/$_.img", [byte[]]::new(1MB)) }
    Start-LvmService devd, noxsd, poold
}

# Leaves no domain and no pool on it.
function Clear-DisposableHost {
    Start-LvmService poold
    Remove-LvmPool *
    Remove-LvmDomain * -Force
}

function Connect-TestHost {
    if (Test-OnXen) { Connect-LvmHost } else { Connect-LvmHost -Simulated }
}

# Whether domains can have devices: a real Xen needs the device daemon for that, and so lightvm.
function Test-DeviceHost { -not (Test-OnXen) -or [bool] (Get-Command lightvm -CommandType Application -ErrorAction Ignore) }

$script:DeviceDaemon = $null

# Starts the device daemon where one is needed and none answers; Stop-TestDeviceDaemon ends what was started here.
function Start-TestDeviceDaemon {
    if (-not (Test-OnXen) -or (Test-DeviceDaemon)) { return }
    $path = Join-Path ([IO.Path]::GetTempPath()) "lightvm-notify-$([guid]::NewGuid().ToString('n'))"
    $notify = [Net.Sockets.Socket]::new('Unix', 'Dgram', 'Unspecified')
    try {
        $notify.ReceiveTimeout = 60000
        $notify.Bind([Net.Sockets.UnixDomainSocketEndPoint]::new($path))
        $start = [Diagnostics.ProcessStartInfo]::new((Get-Command lightvm -CommandType Application)[0].Source, [string[]] ('devd', '--log-file', (Join-Path ([IO.Path]::GetTempPath()) 'lightvm-devd.log')))
        $start.Environment['NOTIFY_SOCKET'] = $path
        $script:DeviceDaemon = [Diagnostics.Process]::Start($start)
        $message = [byte[]]::new(1024)
        do { $said = [Text.Encoding]::UTF8.GetString($message, 0, $notify.Receive($message)) } until ($said -match 'READY=1')
    }
    finally {
        $notify.Dispose()
        Remove-Item -LiteralPath $path -ErrorAction Ignore
    }
}

function Stop-TestDeviceDaemon {
    if ($null -eq $script:DeviceDaemon) { return }
    $script:DeviceDaemon.Kill()
    $script:DeviceDaemon.WaitForExit()
    $script:DeviceDaemon.Dispose()
    $script:DeviceDaemon = $null
}

function Test-DeviceDaemon {
    $socket = [Net.Sockets.Socket]::new('Unix', 'Stream', 'Unspecified')
    try {
        $socket.Connect([Net.Sockets.UnixDomainSocketEndPoint]::new((Join-Path ($env:LIGHTVM_RUN ? $env:LIGHTVM_RUN : '/run/lightvm') 'devd.sock')))
        $true
    }
    catch { $false }
    finally { $socket.Dispose() }
}

# A name that no other domain of this host has.
function Get-TestName([string] $Name = '') { $script:Prefix + $Name }

# Removes all domains that the tests have made.
function Clear-TestDomain {
    Remove-LvmDomain "$script:Prefix*" -Force
}

# A kernel that the host takes.
function Get-TestKernel([string] $Directory) {
    if (Test-OnXen) { return $env:LIGHTVM_TEST_KERNEL }
    $path = Join-Path $Directory 'tiny'
    if (-not (Test-Path -LiteralPath $path)) { Write-TinyKernel $path }
    $path
}

# The least that passes for a 64-bit PV kernel: one segment to load, and the note that tells Xen where it begins.
function Write-TinyKernel([string] $Path, [long] $LoadedSize = 4096) {
    $stream = [IO.MemoryStream]::new([byte[]]::new(4096))
    $writer = [IO.BinaryWriter]::new($stream)
    $writer.Write([byte[]] (0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    $writer.Write([uint16] 2); $writer.Write([uint16] 62); $writer.Write([uint32] 1)                # ET_EXEC, EM_X86_64
    $writer.Write([uint64] 0x100000); $writer.Write([uint64] 64); $writer.Write([uint64] 0)         # entry, program headers
    $writer.Write([uint32] 0); $writer.Write([uint16] 64); $writer.Write([uint16] 56); $writer.Write([uint16] 2)
    foreach ($header in @(@(1, 0, 4096, $LoadedSize), @(4, 0x200, 24, 24))) {                       # PT_LOAD, PT_NOTE
        $stream.Position = if ($header[0] -eq 1) { 64 } else { 120 }
        $writer.Write([uint32] $header[0]); $writer.Write([uint32] 7); $writer.Write([uint64] $header[1])
        $writer.Write([uint64] 0x100000); $writer.Write([uint64] 0x100000)
        $writer.Write([uint64] $header[2]); $writer.Write([uint64] $header[3]); $writer.Write([uint64] 4)
    }
    $stream.Position = 0x200
    $writer.Write([uint32] 4); $writer.Write([uint32] 8); $writer.Write([uint32] 1)                 # XEN_ELFNOTE_ENTRY
    $writer.Write([byte[]] (0x58, 0x65, 0x6e, 0)); $writer.Write([uint64] 0x100000)
    [IO.File]::WriteAllBytes($Path, $stream.ToArray())
}

# Writes a configuration file and returns its path.
function Write-TestConfig([string] $Path, [string] $Name, [string] $Kernel, [int] $MemoryMiB = 4, [hashtable] $More = @{}) {
    $keys = [ordered] @{ name = $Name; kernel = $Kernel; memory = $MemoryMiB; vcpus = 1 }
    foreach ($key in $More.Keys) { $keys[$key] = $More[$key] }
    $keys | ConvertTo-Json -Depth 5 | Set-Content -LiteralPath $Path
    $Path
}

# The ids of errors, without the class that PowerShell appends.
filter Get-ErrorId { ($_.FullyQualifiedErrorId -split ',')[0] }

Export-ModuleMember -Function *-*
