using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Xen;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Linux;

/// <summary>
/// What the kernel tells of devices as they come, change and go, by libudev's monitor of the kernel's own events: no udevd is needed.
/// Used by one thread at a time.
/// </summary>
internal sealed partial class KernelEvents : IDisposable
{
    /// <summary>Bytes that the kernel keeps of events not yet read: some ten thousand events.</summary>
    private const int BufferSize = 8 * 1024 * 1024;

    private readonly Udev _udev;
    private readonly Monitor _monitor;
    private readonly SafeFileHandle _interrupt;

    private KernelEvents(Udev udev, Monitor monitor, SafeFileHandle interrupt)
    {
        _udev = udev;
        _monitor = monitor;
        _interrupt = interrupt;
        Descriptor = GetDescriptor(monitor);
    }

    /// <summary>Readable when there is something to read.</summary>
    public int Descriptor { get; }

    /// <summary>Begins to listen: all events of these subsystems from now on are kept until they are read. Errors: XenLibraryMissing, HostFileFailure.</summary>
    public static KernelEvents Open(params string[] subsystems)
    {
        var udev = NativeLibraries.Require(NewUdev);
        var monitor = NewMonitor(udev, "kernel");
        var interrupt = NewEventFile(0, EventCloseOnExec | EventNonBlocking);
        try
        {
            if (udev.IsInvalid || monitor.IsInvalid) throw Failure(Marshal.GetLastPInvokeError());
            if (interrupt.IsInvalid) throw Failure(Marshal.GetLastPInvokeError());
            foreach (var subsystem in subsystems) Check(FilterSubsystem(monitor, subsystem, null));
            // Beyond the system's limit only where that is allowed: a smaller buffer is enough for all but a storm.
            SetBufferSize(monitor, BufferSize);
            Check(Enable(monitor));
            return new KernelEvents(udev, monitor, interrupt);
        }
        catch
        {
            interrupt.Dispose();
            monitor.Dispose();
            udev.Dispose();
            throw;
        }
    }

    /// <summary>The next event that has arrived; false when none has. Does not wait. Errors: HostFileFailure.</summary>
    public bool TryRead(out KernelEvent read)
    {
        var device = Receive(_monitor);
        if (device != IntPtr.Zero)
        {
            try
            {
                read = new KernelEvent(Text(GetAction(device)), Text(GetSubsystem(device)), Text(GetSysName(device)), PropertiesOf(device));
                return true;
            }
            finally
            {
                Release(device);
            }
        }

        read = default;
        switch (Marshal.GetLastPInvokeError())
        {
            case ErrnoText.ENOBUFS:
                read = new KernelEvent(KernelEvent.Lost, "", "", new Dictionary<string, string>());
                return true;
            case ErrnoText.EAGAIN or ErrnoText.EINTR or 0:
                return false;
            case var errno:
                throw Failure(errno);
        }
    }

    /// <summary>Waits until there is something to read; false when there was nothing in time (<see cref="Timeout.InfiniteTimeSpan"/>: without end).</summary>
    /// <exception cref="OperationCanceledException">The wait was given up.</exception>
    public unsafe bool Wait(TimeSpan timeout, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var interrupt = (int)_interrupt.DangerousGetHandle();
        var files = stackalloc PollFile[] { new() { File = Descriptor, Events = PollIn }, new() { File = interrupt, Events = PollIn } };
        int ready;
        using (cancellation.Register(() => Interrupt(interrupt)))
        {
            var begin = Environment.TickCount64;
            do
            {
                var left = timeout < TimeSpan.Zero ? -1 : (int)Math.Clamp(timeout.TotalMilliseconds - (Environment.TickCount64 - begin), 0, int.MaxValue);
                ready = Poll(files, 2, left);
                if (ready > 0 && files[1].Happened != 0) ready = 0;
            }
            while (ready < 0 && Marshal.GetLastPInvokeError() == ErrnoText.EINTR);
            if (ready < 0) throw Failure(Marshal.GetLastPInvokeError());
        }

        if (cancellation.IsCancellationRequested)
        {
            ulong drained;
            _ = Read(interrupt, &drained, sizeof(ulong));
            cancellation.ThrowIfCancellationRequested();
        }

        return ready > 0;
    }

    public void Dispose()
    {
        _monitor.Dispose();
        _udev.Dispose();
        _interrupt.Dispose();
    }

    private static unsafe void Interrupt(int file)
    {
        ulong one = 1;
        _ = Write(file, &one, sizeof(ulong));
    }

    private static Dictionary<string, string> PropertiesOf(IntPtr device)
    {
        var properties = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var entry = GetProperties(device); entry != IntPtr.Zero; entry = NextEntry(entry))
            properties[Text(GetName(entry))] = Text(GetValue(entry));
        return properties;
    }

    private static string Text(IntPtr text) => Marshal.PtrToStringUTF8(text) ?? "";

    /// <summary>libudev's numbers: below zero, the errno.</summary>
    private static void Check(int result)
    {
        if (result < 0) throw Failure(-result);
    }

    private static LvmException Failure(int errno) =>
        new(ErrorIds.HostFileFailure, "the kernel's events of devices cannot be read") { Errno = errno };

    private const int EventNonBlocking = 0x800;
    private const int EventCloseOnExec = 0x80000;
    private const short PollIn = 1;

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_new", SetLastError = true)]
    private static partial Udev NewUdev();

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_unref")]
    private static partial IntPtr ReleaseUdev(IntPtr udev);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_monitor_new_from_netlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial Monitor NewMonitor(Udev udev, string source);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_monitor_unref")]
    private static partial IntPtr ReleaseMonitor(IntPtr monitor);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_monitor_filter_add_match_subsystem_devtype", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int FilterSubsystem(Monitor monitor, string subsystem, string? type);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_monitor_set_receive_buffer_size")]
    private static partial int SetBufferSize(Monitor monitor, int size);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_monitor_enable_receiving")]
    private static partial int Enable(Monitor monitor);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_monitor_get_fd")]
    private static partial int GetDescriptor(Monitor monitor);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_monitor_receive_device", SetLastError = true)]
    private static partial IntPtr Receive(Monitor monitor);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_device_unref")]
    private static partial IntPtr Release(IntPtr device);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_device_get_action")]
    private static partial IntPtr GetAction(IntPtr device);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_device_get_subsystem")]
    private static partial IntPtr GetSubsystem(IntPtr device);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_device_get_sysname")]
    private static partial IntPtr GetSysName(IntPtr device);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_device_get_properties_list_entry")]
    private static partial IntPtr GetProperties(IntPtr device);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_list_entry_get_next")]
    private static partial IntPtr NextEntry(IntPtr entry);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_list_entry_get_name")]
    private static partial IntPtr GetName(IntPtr entry);

    [LibraryImport(NativeLibraries.Udev, EntryPoint = "udev_list_entry_get_value")]
    private static partial IntPtr GetValue(IntPtr entry);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial SafeFileHandle NewEventFile(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "read")]
    private static unsafe partial nint Read(int file, ulong* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write")]
    private static unsafe partial nint Write(int file, ulong* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static unsafe partial int Poll(PollFile* files, nuint count, int milliseconds);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollFile
    {
        public int File;
        public short Events;
        public short Happened;
    }

    private sealed class Udev() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
    {
        protected override bool ReleaseHandle()
        {
            ReleaseUdev(handle);
            return true;
        }
    }

    private sealed class Monitor() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
    {
        protected override bool ReleaseHandle()
        {
            ReleaseMonitor(handle);
            return true;
        }
    }
}
