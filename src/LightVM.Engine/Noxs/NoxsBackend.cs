using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Noxs;

/// <summary>
/// The ioctls of <c>/dev/xen/noxs_backend</c>, whoever provides them: over one open file, which is opened when it is first needed, and anew
/// when the daemon behind it was restarted. Members may be called from several threads.
/// </summary>
internal sealed unsafe class NoxsBackend : INoxsBackend
{
    public const string DefaultPath = "/dev/xen/noxs_backend";

    private readonly object _lock = new();
    private readonly string _path;
    private SafeFileHandle? _file;
    private bool _disposed;

    public NoxsBackend(string path = DefaultPath)
    {
        _path = path;
    }

    /// <summary>Whether there is a backend on this host.</summary>
    public static bool IsThere => File.Exists(DefaultPath);

    public void Create(Span<CreateArgument> devices)
    {
        if (devices.Length > 1 && TryCall(NoxsCalls.CreateMany(devices.Length), MemoryMarshal.AsBytes(devices)) == 0) return;
        // Not by every backend; and where it fails, one by one tells which device it was.
        var made = 0;
        try
        {
            foreach (ref var device in devices)
            {
                Call(NoxsCalls.Create, ref device, device.Type, device.Frontend, device.Id);
                made++;
            }
        }
        catch
        {
            foreach (ref var device in devices[..made]) DestroyQuietly(device.Type, device.Frontend, device.Id);
            throw;
        }
    }

    public void Destroy(DeviceType type, ushort domain, uint id)
    {
        var argument = new DestroyArgument { Type = type, Frontend = domain, Id = id };
        Call(NoxsCalls.Destroy, ref argument, type, domain, id);
    }

    public bool AskToLetGo(DeviceType type, ushort domain, uint id)
    {
        var argument = new DestroyArgument { Type = type, Frontend = domain, Id = id };
        var errno = TryCall(NoxsCalls.AskToLetGo, ref argument);
        return errno is 0 or ErrnoText.ENOTTY ? errno == 0 : throw Failure(errno, type, domain, id);
    }

    public void TellOfPage(ushort domain)
    {
        var argument = new CloseArgument { Domain = domain };
        var errno = TryCall(NoxsCalls.TellOfPage, ref argument);
        if (errno == ErrnoText.ENOTTY) throw new LvmException(ErrorIds.DeviceUnsupported, "the noxs backend cannot tell a guest of devices that come while it runs") { Errno = errno };
        if (errno != 0) throw Failure(errno, DeviceType.Sysctl, domain, null);
    }

    public void DestroyAll(ushort domain)
    {
        var argument = new DestroyAllArgument { Frontend = domain };
        var errno = TryCall(NoxsCalls.DestroyAll, ref argument);
        if (errno == 0) return;
        if (errno != ErrnoText.ENOTTY) throw Failure(errno, DeviceType.None, domain, null);
        foreach (var type in (ReadOnlySpan<DeviceType>)[DeviceType.Console, DeviceType.Vbd, DeviceType.Vif, DeviceType.Sysctl])
        {
            foreach (var device in List(type, domain)) DestroyQuietly(type, domain, device);
        }
    }

    public IReadOnlyList<uint> List(DeviceType type, ushort domain)
    {
        var argument = new ListArgument { Type = type, Frontend = domain };
        Call(NoxsCalls.List, ref argument, type, domain, null);
        if (argument.Count > DevicePage.MaxDevices) throw new LvmException(ErrorIds.NoxsFailure, $"the noxs backend lists {argument.Count} devices of domain {domain}");
        return new ReadOnlySpan<uint>(argument.Ids, (int)argument.Count).ToArray();
    }

    public IReadOnlyDictionary<uint, SideState> States(DeviceType type, ushort domain)
    {
        var argument = new StatesArgument { Type = type, Frontend = domain };
        var errno = TryCall(NoxsCalls.States, ref argument);
        if (errno is not (0 or ErrnoText.ENOTTY)) throw Failure(errno, type, domain, null);
        var states = new Dictionary<uint, SideState>();
        for (var i = 0; i < Math.Min(argument.Count, DevicePage.MaxDevices); i++) states[argument.Ids[i]] = (SideState)argument.States[i];
        return states;
    }

    public VifSettings QueryVif(ushort domain, uint id) => Query(DeviceType.Vif, domain, id).Vif;

    public VbdSettings QueryVbd(ushort domain, uint id) => Query(DeviceType.Vbd, domain, id).Vbd;

    public void RequestClose(ushort domain, CloseRequest request)
    {
        var argument = new CloseArgument { Request = request, Domain = domain };
        Call(NoxsCalls.GuestClose, ref argument, DeviceType.Sysctl, domain, null);
    }

    public bool WithdrawRequest(ushort domain)
    {
        var argument = new CloseArgument { Domain = domain };
        var errno = TryCall(NoxsCalls.Withdraw, ref argument);
        return errno is 0 or ErrnoText.ENOENT or ErrnoText.ENOTTY ? errno == 0 : throw Failure(errno, DeviceType.Sysctl, domain, null);
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _file?.Dispose();
            _file = null;
        }
    }

    private void DestroyQuietly(DeviceType type, ushort domain, uint id)
    {
        try
        {
            Destroy(type, domain, id);
        }
        catch (LvmException error) when (error.ErrorId is ErrorIds.DeviceNotFound or ErrorIds.DomainGone)
        {
            // The backend noticed the domain's end as well.
        }
    }

    private DeviceSettings Query(DeviceType type, ushort domain, uint id)
    {
        var argument = new QueryArgument { Type = type, Frontend = domain, Id = id };
        Call(NoxsCalls.Query, ref argument, type, domain, id);
        return argument.Settings;
    }

    private void Call<T>(uint call, ref T argument, DeviceType type, ushort domain, uint? id)
        where T : unmanaged
    {
        if (TryCall(call, ref argument) is not 0 and var errno) throw Failure(errno, type, domain, id);
    }

    private int TryCall<T>(uint call, ref T argument)
        where T : unmanaged => TryCall(call, MemoryMarshal.AsBytes(new Span<T>(ref argument)));

    /// <summary>0, or an errno.</summary>
    private int TryCall(uint call, Span<byte> argument)
    {
        Span<byte> sent = stackalloc byte[argument.Length];
        argument.CopyTo(sent);
        for (var again = true; ; again = false)
        {
            var file = Opened();
            int errno;
            try
            {
                fixed (byte* pointer = argument)
                    errno = Libc.DeviceControl(file, call, pointer) >= 0 ? 0 : Marshal.GetLastPInvokeError();
            }
            finally
            {
                file.DangerousRelease();
            }

            // The daemon that this file led to has ended, and saw nothing of the call: there may be another by now.
            if (!again || errno != ErrnoText.ENOTCONN) return errno;
            Forget(file);
            sent.CopyTo(argument);
        }
    }

    /// <summary>The file, to be released after its use: another thread may forget it meanwhile.</summary>
    private SafeFileHandle Opened()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _file ??= Open();
            var isUsed = false;
            _file.DangerousAddRef(ref isUsed);
            return _file;
        }
    }

    private SafeFileHandle Open()
    {
        var file = Libc.Open(_path, Libc.OpenReadWrite | Libc.OpenCloseOnExec);
        if (file >= 0) return new SafeFileHandle(file, ownsHandle: true);
        var errno = Marshal.GetLastPInvokeError();
        throw errno is ErrnoText.EACCES or ErrnoText.EPERM
            ? new LvmException(ErrorIds.XenNotPrivileged, $"'{_path}' cannot be opened") { Errno = errno }
            : new LvmException(ErrorIds.NoxsUnavailable, $"'{_path}' cannot be opened") { Errno = errno };
    }

    private void Forget(SafeFileHandle file)
    {
        lock (_lock)
        {
            if (_file == file) _file = null;
            file.Dispose();
        }
    }

    /// <summary>As the guest calls it.</summary>
    private static string DiskName(uint? id) => id is { } number ? VirtualDevice.NameOf((int)number) ?? $"{number}" : "";

    private static LvmException Failure(int errno, DeviceType type, ushort domain, uint? id)
    {
        var device = type == DeviceType.None ? $"the devices of domain {domain}" : $"{type.ToString().ToLowerInvariant()}{(id is { } number ? $" {number}" : "")} of domain {domain}";
        return errno switch
        {
            ErrnoText.EBUSY when type == DeviceType.Vbd => new LvmException(ErrorIds.DiskInUse, $"disk {DiskName(id)} is in use; the log of lightvm noxsd says by whom") { Errno = errno },
            ErrnoText.EROFS when type == DeviceType.Vbd => new LvmException(ErrorIds.DiskInvalid, $"disk {DiskName(id)} cannot be opened in this way; the log of lightvm noxsd says why") { Errno = errno },
            ErrnoText.EPERM or ErrnoText.EACCES => new LvmException(ErrorIds.XenNotPrivileged, "the noxs backend serves only those with CAP_SYS_ADMIN") { Errno = errno },
            ErrnoText.ESRCH => new LvmException(ErrorIds.DomainGone, $"the noxs backend finds no domain {domain}") { Errno = errno },
            ErrnoText.EEXIST => new LvmException(ErrorIds.DeviceIdTaken, $"there is a {device} already") { Errno = errno },
            ErrnoText.ENOENT => new LvmException(ErrorIds.DeviceNotFound, $"there is no {device}") { Errno = errno },
            ErrnoText.ENODEV when type == DeviceType.Vif => new LvmException(ErrorIds.BridgeNotFound, $"the noxs backend finds no bridge for {device}") { Errno = errno },
            ErrnoText.ENODEV when type == DeviceType.Vbd => new LvmException(ErrorIds.DiskNotFound, $"the noxs backend finds nothing for disk {DiskName(id)}") { Errno = errno },
            ErrnoText.ENOSPC => new LvmException(ErrorIds.TooManyDevices, $"domain {domain} has {DevicePage.MaxDevices} devices already") { Errno = errno },
            ErrnoText.EOPNOTSUPP => new LvmException(ErrorIds.DeviceUnsupported, $"the noxs backend has no {type.ToString().ToLowerInvariant()}") { Errno = errno },
            ErrnoText.ENOTCONN or ErrnoText.ECONNABORTED => new LvmException(ErrorIds.NoxsUnavailable, "the noxs backend has ended") { Errno = errno },
            _ => new LvmException(ErrorIds.NoxsFailure, $"the noxs backend failed with {device}") { Errno = errno },
        };
    }
}
