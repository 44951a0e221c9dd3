using System.Runtime.InteropServices;

namespace LightVM.Linux;

/// <summary>A file that can be read when a time has come (timerfd(2)): setting it wakes nobody, and costs one call.</summary>
internal sealed unsafe class TimerFile : IDisposable
{
    private const int Monotonic = 1;

    public TimerFile()
    {
        File = Libc.NewTimer(Monotonic, Libc.OpenNonBlocking | Libc.OpenCloseOnExec);
        if (File < 0) throw Libc.Failure("timerfd_create");
    }

    public int File { get; private set; }

    /// <summary>Sets it anew: to some time from now.</summary>
    public void Set(TimeSpan left)
    {
        var ticks = Math.Max(left.Ticks, 1); // none at all would be never
        var setting = new Libc.TimerSetting { Seconds = ticks / TimeSpan.TicksPerSecond, Nanoseconds = ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick };
        if (Libc.SetTimer(File, 0, setting, IntPtr.Zero) != 0) throw Libc.Failure("timerfd_settime");
    }

    /// <summary>It cannot be read any more, until it is set and that time has come.</summary>
    public void Clear()
    {
        ulong times;
        _ = Libc.Read(File, (byte*)&times, sizeof(ulong));
    }

    public void Dispose()
    {
        if (File >= 0) _ = Libc.Close(File);
        File = -1;
    }
}
