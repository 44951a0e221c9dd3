using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>
/// The calls of <c>/dev/xen/noxs_backend</c>, and all guests' devices. Errnos: EINVAL for an argument that makes no sense, ESRCH for no such
/// domain, EEXIST and ENOENT for a device that is there or is not, ENODEV for no such bridge or disk, EBUSY for a disk that is in use, EROFS for one that cannot be
/// opened in this way, ENOSPC for a 33rd device.
/// </summary>
internal sealed class NoxsService(INoxsHost host, DaemonLog log) : ICallHandler
{
    private const ushort FirstReservedDomain = 0x7ff0;
    private const uint MostInterfaces = 256;
    private const ulong AdministratorCapability = 1ul << 21;

    private readonly object _lock = new();
    private readonly Dictionary<ushort, NoxsGuest> _guests = [];

    /// <summary>Called when a guest may be about to end.</summary>
    public Action? Suspected { get; set; }

    /// <summary>Called when there is a guest, and was none before.</summary>
    public Action? Begun { get; set; }

    /// <summary>Guests, and their devices of each type.</summary>
    public (int Guests, int Vifs, int Vbds) Counts
    {
        get
        {
            lock (_lock)
            {
                var devices = _guests.Values.SelectMany(guest => guest.Devices).ToList();
                return (_guests.Count, devices.Count(device => device.Type == DeviceType.Vif), devices.Count(device => device.Type == DeviceType.Vbd));
            }
        }
    }

    public int Open(uint user, int process) => HasCapability(process) ? 0 : ErrnoText.EPERM;

    public int Call(uint call, Span<byte> argument, int process)
    {
        try
        {
            return call switch
            {
                NoxsCalls.Create when argument.Length == Unsafe.SizeOf<CreateArgument>() => Create(MemoryMarshal.Cast<byte, CreateArgument>(argument), process),
                _ when NoxsCalls.IsCreateMany(call) && argument.Length == NoxsCalls.SizeOf(call) => Create(MemoryMarshal.Cast<byte, CreateArgument>(argument), process),
                NoxsCalls.DestroyAll when argument.Length == Unsafe.SizeOf<DestroyAllArgument>() => DestroyAll(in MemoryMarshal.AsRef<DestroyAllArgument>(argument)),
                NoxsCalls.Destroy when argument.Length == Unsafe.SizeOf<DestroyArgument>() => Destroy(in MemoryMarshal.AsRef<DestroyArgument>(argument)),
                NoxsCalls.List when argument.Length == Unsafe.SizeOf<ListArgument>() => List(ref MemoryMarshal.AsRef<ListArgument>(argument)),
                NoxsCalls.States when argument.Length == Unsafe.SizeOf<StatesArgument>() => States(ref MemoryMarshal.AsRef<StatesArgument>(argument)),
                NoxsCalls.Query when argument.Length == Unsafe.SizeOf<QueryArgument>() => Query(ref MemoryMarshal.AsRef<QueryArgument>(argument)),
                NoxsCalls.Withdraw when argument.Length == Unsafe.SizeOf<CloseArgument>() => Withdraw(in MemoryMarshal.AsRef<CloseArgument>(argument)),
                NoxsCalls.AskToLetGo when argument.Length == Unsafe.SizeOf<DestroyArgument>() => AskToLetGo(in MemoryMarshal.AsRef<DestroyArgument>(argument)),
                NoxsCalls.TellOfPage when argument.Length == Unsafe.SizeOf<CloseArgument>() => TellOfPage(in MemoryMarshal.AsRef<CloseArgument>(argument)),
                NoxsCalls.GuestClose when argument.Length == Unsafe.SizeOf<CloseArgument>() => Close(in MemoryMarshal.AsRef<CloseArgument>(argument)),
                _ => ErrnoText.ENOTTY,
            };
        }
        catch (LvmException error)
        {
            log.Error(error.Message);
            return error.ErrorId switch
            {
                ErrorIds.GrantsExhausted or ErrorIds.EventChannelsExhausted => ErrnoText.ENOMEM,
                ErrorIds.HostFileFailure => LightVM.Linux.Libc.EIO, // its ENOSPC is not that of a 33rd device
                _ => error.Errno ?? LightVM.Linux.Libc.EIO,
            };
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            log.Error(error.Message);
            return LightVM.Linux.Libc.EIO;
        }
    }

    /// <summary>Looks which domains have ended, and frees what they had; notes what could not be noted. One that comes while it is looked has not been looked for.</summary>
    /// <param name="look">Asks which domains there are now; gives whether one is.</param>
    public void DropEnded(Func<Func<ushort, bool>> look)
    {
        List<NoxsGuest> known;
        lock (_lock) known = [.. _guests.Values];
        var exists = look();
        lock (_lock)
        {
            foreach (var guest in known.Where(guest => !exists(guest.Domain) && _guests.GetValueOrDefault(guest.Domain) == guest)) RemoveAll(guest);
            foreach (var guest in _guests.Values.Where(guest => !guest.IsNoted)) Note(guest);
        }
    }

    /// <summary>Takes over a device that an earlier daemon had; false where that cannot be.</summary>
    public bool Adopt(ushort domain, IWorker worker, DeviceRecord record, Func<DeviceRecord, SharedPage?> adopt)
    {
        lock (_lock)
        {
            var guest = _guests.GetValueOrDefault(domain) ?? new NoxsGuest(domain, worker);
            lock (worker.Lock)
            {
                GuestDevice device;
                switch (record.Type)
                {
                    case DeviceType.Console:
                        var console = new ConsoleDevice(worker, domain, record.Grant, record.First.Guest, log, host.ConsoleOutput, host.InputOf(domain));
                        if (!console.GoOn(record.Port)) return false;
                        console.OpenInput();
                        device = console;
                        break;
                    case DeviceType.Sysctl when adopt(record) is { } page:
                        var sysctl = new SysctlDevice(worker, domain, log, page, record.Port);
                        sysctl.GoOn();
                        device = sysctl;
                        break;
                    case DeviceType.Vif when record.Settings.Length == Unsafe.SizeOf<VifSettings>() && adopt(record) is { } page:
                        var vif = new VifDevice(worker, domain, record.Id, log, page, record.Port, MemoryMarshal.Read<VifSettings>(record.Settings), host.FramesOf(worker));
                        vif.Adopt(record.First, record.Second);
                        vif.GoOn(record.IsLeaving);
                        device = vif;
                        break;
                    case DeviceType.Vbd when VbdNote.TryRead(record.Settings, out var settings, out var identity, out var path) && adopt(record) is { } page:
                        var vbd = new VbdDevice(worker, domain, record.Id, log, page, record.Port, settings, Reopen(record.Id, domain, settings, identity, path), host.DiskThreads, host.BuffersOf(worker));
                        vbd.Adopt(record.First);
                        vbd.GoOn(record.IsLeaving);
                        device = vbd;
                        break;
                    default:
                        return false;
                }

                Add(guest, device);
                if (device is ControlledDevice { HasLeft: true }) RemoveLater(guest, device);
                else if (device is VifDevice another) MakeInterface(guest, another);
            }

            return true;
        }
    }

    private IDisk? Reopen(uint id, ushort domain, in VbdSettings settings, DiskIdentity identity, string path)
    {
        try
        {
            return host.ReopenDisk(settings, identity, path);
        }
        catch (LvmException error)
        {
            log.Error($"vbd {id} of domain {domain}: {error.Message}");
            return null;
        }
    }

    /// <summary>Notes a domain's devices anew.</summary>
    public void Note(ushort domain)
    {
        lock (_lock)
        {
            if (_guests.TryGetValue(domain, out var guest)) Note(guest);
        }
    }

    /// <summary>Makes devices of one domain, all or none.</summary>
    private int Create(Span<CreateArgument> arguments, int process)
    {
        if (arguments.Length is 0 or > NoxsCalls.MostAtOnce) return ErrnoText.EINVAL;
        var domain = arguments[0].Frontend;
        foreach (ref readonly var argument in arguments)
        {
            if (argument.Backend != 0 || argument.Frontend != domain || !IsDomain(domain) || !IsType(argument.Type)) return ErrnoText.EINVAL;
        }

        lock (_lock)
        {
            var guest = _guests.GetValueOrDefault(domain);
            if (guest is null && !host.Exists(domain)) return ErrnoText.ESRCH;
            guest ??= new NoxsGuest(domain, host.ChooseWorker());
            lock (guest.Worker.Lock)
            {
                var before = guest.Devices.Count;
                var errno = ErrnoText.EINVAL;
                using var pages = new NewPages(guest, CountControlled(arguments));
                try
                {
                    foreach (ref var argument in arguments)
                    {
                        errno = Create(guest, ref argument, pages, process);
                        if (errno != 0) break;
                    }

                    if (errno == 0) host.Note(guest.Domain, guest.Worker, RecordsOf(guest));
                }
                catch
                {
                    errno = LightVM.Linux.Libc.EIO;
                    throw;
                }
                finally
                {
                    if (errno != 0)
                    {
                        foreach (var device in guest.Devices.Skip(before).Reverse().ToList()) Remove(guest, device);
                    }
                }

                return errno;
            }
        }
    }

    private static int CountControlled(ReadOnlySpan<CreateArgument> arguments)
    {
        var count = 0;
        foreach (ref readonly var argument in arguments)
        {
            if (argument.Type != DeviceType.Console) count++;
        }

        return count;
    }

    private int Create(NoxsGuest guest, ref CreateArgument argument, NewPages pages, int process)
    {
        var id = argument.Type is DeviceType.Vif or DeviceType.Vbd ? argument.Id : 0;
        if (argument.Type == DeviceType.Vif && id >= MostInterfaces) return ErrnoText.EINVAL;
        if (guest.Find(argument.Type, id) is not null) return ErrnoText.EEXIST;
        if (argument.Type == DeviceType.Console) return CreateConsole(guest, in argument);
        if (guest.Devices.Count(device => device.Type != DeviceType.Console) >= DevicePage.MaxDevices) return ErrnoText.ENOSPC;
        return argument.Type switch
        {
            DeviceType.Sysctl => CreateSysctl(guest, ref argument, pages),
            DeviceType.Vif => CreateVif(guest, ref argument, pages),
            _ => CreateVbd(guest, ref argument, pages, process),
        };
    }

    private int CreateConsole(NoxsGuest guest, in CreateArgument argument)
    {
        if (argument.Port == 0) return ErrnoText.EINVAL;
        var console = new ConsoleDevice(guest.Worker, guest.Domain, argument.Grant, argument.Port, log, host.ConsoleOutput, host.InputOf(guest.Domain));
        Add(guest, console);
        host.Later(guest.Domain, () =>
        {
            lock (_lock) Begin(guest, console, withInput: true);
        });
        return 0;
    }

    private void Begin(NoxsGuest guest, ConsoleDevice console, bool withInput)
    {
        lock (guest.Worker.Lock)
        {
            if (!guest.Devices.Contains(console)) return;
            if (console.Begin()) Note(guest);
            if (withInput) console.OpenInput();
        }
    }

    /// <summary>A guest has begun to run: what it writes shall not wait for a moment's end.</summary>
    private void Awaken(NoxsGuest guest)
    {
        if (guest.Find(DeviceType.Console, 0) is ConsoleDevice console) Begin(guest, console, withInput: false);
        host.Hurry(guest.Domain);
    }

    private int CreateSysctl(NoxsGuest guest, ref CreateArgument argument, NewPages pages)
    {
        var (page, port) = pages.TakeWithPort();
        return Finish(guest, new SysctlDevice(guest.Worker, guest.Domain, log, page, port), ref argument);
    }

    private int CreateVif(NoxsGuest guest, ref CreateArgument argument, NewPages pages)
    {
        ref readonly var settings = ref argument.Settings.Vif;
        ReadOnlySpan<byte> mac = settings.Mac, bridge = settings.Bridge;
        if ((mac[0] & 1) != 0 || mac.IndexOfAnyExcept((byte)0) < 0) return ErrnoText.EINVAL;
        if (bridge[0] != 0 && settings.BridgeText() is not { } name) return ErrnoText.EINVAL;
        if (settings.BridgeText() is { } wanted && !host.IsBridge(wanted)) return ErrnoText.ENODEV;
        var (page, port) = pages.TakeWithPort();
        var vif = new VifDevice(guest.Worker, guest.Domain, argument.Id, log, page, port, settings, host.FramesOf(guest.Worker));
        var errno = Finish(guest, vif, ref argument);
        MakeInterface(guest, vif);
        return errno;
    }

    private int CreateVbd(NoxsGuest guest, ref CreateArgument argument, NewPages pages, int process)
    {
        ref readonly var settings = ref argument.Settings.Vbd;
        if (settings.Type is not (VbdType.Physical or VbdType.File) || settings.Mode is not (VbdMode.ReadOnly or VbdMode.ReadWrite)) return ErrnoText.EINVAL;
        var disk = host.OpenDisk(settings, process);
        try
        {
            // The host's own locks say so as well, but not whose it is.
            if (FindUser(disk.Identity, settings.Mode) is { } user) throw new LvmException(ErrorIds.DiskInUse, $"disk '{disk.Path}' is in use: {user} has it") { Errno = ErrnoText.EBUSY };
            var (page, port) = pages.TakeWithPort();
            return Finish(guest, new VbdDevice(guest.Worker, guest.Domain, argument.Id, log, page, port, settings, disk, host.DiskThreads, host.BuffersOf(guest.Worker)), ref argument);
        }
        catch
        {
            disk.Close();
            throw;
        }
    }

    private string? FindUser(DiskIdentity disk, VbdMode mode) =>
        _guests.Values.SelectMany(guest => guest.Devices).OfType<VbdDevice>().FirstOrDefault(device => device.Excludes(disk, mode))?.Name;

    private int Finish(NoxsGuest guest, ControlledDevice device, ref CreateArgument argument)
    {
        device.Begin();
        Add(guest, device);
        (argument.Id, argument.Grant, argument.Port) = (device.Place.Id, device.Place.Grant, device.Place.Port);
        return 0;
    }

    private void Add(NoxsGuest guest, GuestDevice device)
    {
        guest.Devices.Add(device);
        if (_guests.TryAdd(guest.Domain, guest) && _guests.Count == 1) Begun?.Invoke();
        if (device is SysctlDevice sysctl) sysctl.Ending = () => Suspected?.Invoke();
        if (device is ControlledDevice controlled) controlled.Left = () => RemoveLater(guest, device);
        device.Changed = () => Note(guest);
        device.Needed = () => Awaken(guest);
    }

    private void MakeInterface(NoxsGuest guest, VifDevice vif)
    {
        host.MakeInterface(guest.Domain, vif.InterfaceName, vif.Settings.BridgeText(), tap =>
        {
            lock (guest.Worker.Lock)
            {
                if (guest.Devices.Contains(vif)) vif.Attach(tap);
                else tap.Close(); // its removal comes next
            }
        }, error =>
        {
            lock (guest.Worker.Lock)
            {
                if (guest.Devices.Contains(vif)) vif.Fail(error);
            }
        });
    }

    private int Destroy(in DestroyArgument argument)
    {
        if (argument.Backend != 0 || !IsDomain(argument.Frontend) || !IsType(argument.Type)) return ErrnoText.EINVAL;
        lock (_lock)
        {
            if (!_guests.TryGetValue(argument.Frontend, out var guest) || guest.Find(argument.Type, argument.Id) is not { } device) return ErrnoText.ENOENT;
            Remove(guest, device);
            return 0;
        }
    }

    private int AskToLetGo(in DestroyArgument argument)
    {
        if (argument.Backend != 0 || !IsDomain(argument.Frontend) || argument.Type is not (DeviceType.Vif or DeviceType.Vbd)) return ErrnoText.EINVAL;
        lock (_lock)
        {
            if (!_guests.TryGetValue(argument.Frontend, out var guest) || guest.Find(argument.Type, argument.Id) is not ControlledDevice device) return ErrnoText.ENOENT;
            lock (guest.Worker.Lock) device.AskToLetGo();
            return 0;
        }
    }

    private int TellOfPage(in CloseArgument argument)
    {
        if (!IsDomain(argument.Domain)) return ErrnoText.EINVAL;
        lock (_lock)
        {
            if (!_guests.TryGetValue(argument.Domain, out var guest) || guest.Find(DeviceType.Sysctl, 0) is not SysctlDevice sysctl) return ErrnoText.ENOENT;
            lock (guest.Worker.Lock) sysctl.TellOfPage();
            host.Hurry(guest.Domain);
            return 0;
        }
    }

    /// <summary>Removes a device that its guest has let go of, when whoever tells of that is done with it.</summary>
    private void RemoveLater(NoxsGuest guest, GuestDevice device)
    {
        host.Later(guest.Domain, () =>
        {
            lock (_lock)
            {
                if (guest.Devices.Contains(device)) Remove(guest, device);
            }
        });
        host.Hurry(guest.Domain);
    }

    private int DestroyAll(in DestroyAllArgument argument)
    {
        if (argument.Backend != 0 || !IsDomain(argument.Frontend)) return ErrnoText.EINVAL;
        lock (_lock)
        {
            if (_guests.TryGetValue(argument.Frontend, out var guest)) RemoveAll(guest);
            return 0;
        }
    }

    private void RemoveAll(NoxsGuest guest)
    {
        foreach (var device in guest.Devices.ToList()) Remove(guest, device);
    }

    private void Remove(NoxsGuest guest, GuestDevice device)
    {
        lock (guest.Worker.Lock)
        {
            guest.Devices.Remove(device);
            try
            {
                device.Remove();
            }
            catch (Exception error) // it is nobody's any more, and the others go on
            {
                log.Error($"{device.Name} could not be freed in whole: {error.Message}");
            }

            if (guest.Devices.Count == 0) _guests.Remove(guest.Domain);
            Note(guest);
        }

        if (device is VifDevice vif) host.RemoveInterface(guest.Domain, vif.InterfaceName);
    }

    private unsafe int List(ref ListArgument argument)
    {
        if (argument.Backend != 0 || !IsDomain(argument.Frontend) || !IsType(argument.Type)) return ErrnoText.EINVAL;
        var (type, domain) = (argument.Type, argument.Frontend);
        lock (_lock)
        {
            argument.Count = 0;
            if (!_guests.TryGetValue(domain, out var guest)) return 0;
            foreach (var console in guest.Devices.OfType<ConsoleDevice>()) Begin(guest, console, withInput: true); // who asks wants to use it
            foreach (var device in guest.Devices.Where(device => device.Type == type).Take(DevicePage.MaxDevices)) argument.Ids[argument.Count++] = device.Id;
            return 0;
        }
    }

    private unsafe int States(ref StatesArgument argument)
    {
        if (argument.Backend != 0 || !IsDomain(argument.Frontend) || !IsType(argument.Type)) return ErrnoText.EINVAL;
        var type = argument.Type;
        lock (_lock)
        {
            argument.Count = 0;
            if (!_guests.TryGetValue(argument.Frontend, out var guest)) return 0;
            foreach (var device in guest.Devices.Where(device => device.Type == type).Take(DevicePage.MaxDevices))
            {
                argument.Ids[argument.Count] = device.Id;
                argument.States[argument.Count++] = (uint)device.State;
            }

            return 0;
        }
    }

    private int Query(ref QueryArgument argument)
    {
        if (argument.Backend != 0 || !IsDomain(argument.Frontend) || !IsType(argument.Type)) return ErrnoText.EINVAL;
        lock (_lock)
        {
            if (!_guests.TryGetValue(argument.Frontend, out var guest) || guest.Find(argument.Type, argument.Id) is not { } device) return ErrnoText.ENOENT;
            argument.Settings = default;
            if (device is VifDevice vif) argument.Settings.Vif = vif.Settings;
            if (device is VbdDevice vbd) argument.Settings.Vbd = vbd.Settings;
            return 0;
        }
    }

    private int Close(in CloseArgument argument)
    {
        if (!IsDomain(argument.Domain) || argument.Request is < CloseRequest.PowerOff or > CloseRequest.Reboot) return ErrnoText.EINVAL;
        lock (_lock)
        {
            if (!_guests.TryGetValue(argument.Domain, out var guest) || guest.Find(DeviceType.Sysctl, 0) is not SysctlDevice sysctl) return ErrnoText.ENOENT;
            lock (guest.Worker.Lock) sysctl.Request(argument.Request);
            return 0;
        }
    }

    private int Withdraw(in CloseArgument argument)
    {
        if (!IsDomain(argument.Domain)) return ErrnoText.EINVAL;
        lock (_lock)
        {
            if (!_guests.TryGetValue(argument.Domain, out var guest) || guest.Find(DeviceType.Sysctl, 0) is not SysctlDevice sysctl) return ErrnoText.ENOENT;
            lock (guest.Worker.Lock) return sysctl.Withdraw() ? 0 : ErrnoText.ENOENT;
        }
    }

    /// <summary>Notes what has happened already, and is not undone where that cannot be: then it is tried again when ends of domains are looked for.</summary>
    private void Note(NoxsGuest guest)
    {
        lock (guest.Worker.Lock)
        {
            try
            {
                host.Note(guest.Domain, guest.Worker, RecordsOf(guest));
                guest.IsNoted = true;
            }
            catch (LvmException error)
            {
                if (guest.IsNoted) log.Error($"the next daemon will not find the devices of domain {guest.Domain} as they are: {error.Message}");
                guest.IsNoted = false;
            }
        }
    }

    private static List<DeviceRecord> RecordsOf(NoxsGuest guest) => guest.Devices.ConvertAll(device => device.Record());

    private static bool IsDomain(ushort domain) => domain is > 0 and < FirstReservedDomain;

    private static bool IsType(DeviceType type) => type is >= DeviceType.Sysctl and <= DeviceType.Vbd;

    /// <summary>Whether a process, or thread, has CAP_SYS_ADMIN.</summary>
    private static bool HasCapability(int process)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/status").FirstOrDefault(line => line.StartsWith("CapEff:", StringComparison.Ordinal));
            return line is not null && (Convert.ToUInt64(line[7..].Trim(), 16) & AdministratorCapability) != 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException)
        {
            return false;
        }
    }
}
