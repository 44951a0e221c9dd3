using System.Diagnostics;
using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Consoles;

/// <summary>
/// A domain's console as all readers of this process share it. Of the processes that read a console one is the pump: it has the lock of
/// the spool, and Xen's own lock of the console, and appends to the spool what the guest writes. The others read the spool, and when the
/// pump goes, even by SIGKILL, one of them takes its place.
/// </summary>
/// <remarks>
/// A pump that leaves changes the spool's attributes once it has let go of everything; one that dies is noticed by its process's end,
/// which comes after all its files are closed. So whoever is woken finds both locks free.
/// </remarks>
internal sealed unsafe class SharedConsole
{
    public const uint SpoolEvents = Libc.Modified | Libc.AttributesChanged | Libc.WriterClosed;

    /// <summary>Reads before the other consoles have their turn.</summary>
    private const int ReadsAtOnce = 64;

    private const int None = -1;

    private static readonly object RegistryLock = new();
    private static readonly Dictionary<(string Folder, DomainKey Key), SharedConsole> Registry = [];

    private readonly object _gate = new();
    private readonly ConsoleSource _source;
    private readonly SpoolFile _spool;
    private readonly byte[] _buffer = new byte[4096]; // what a terminal gives at once
    private int _readers;
    private int _watch = None;
    private int _terminal = None;
    private int _pump = None; // the pumping process, when it is another
    private IDisposable? _xlLock;
    private bool _isPump;
    private bool _hasEnded;
    private LvmException? _failure;

    private SharedConsole(ConsoleSource source)
    {
        _source = source;
        _spool = SpoolFile.Open(source.SpoolPath);
    }

    /// <summary>What the hub polls: the guest's terminal, or the process that reads it.</summary>
    public int PolledFile => Volatile.Read(ref _isPump) ? Volatile.Read(ref _terminal) : Volatile.Read(ref _pump);

    /// <summary>Whether what the guest has written before now may still be on its way here.</summary>
    public bool MayLag { get; private set; }

    /// <summary>Joins the readers of a console. Errors: ConsoleUnavailable, HostFileFailure.</summary>
    public static SharedConsole Join(ConsoleSource source)
    {
        lock (RegistryLock)
        {
            var place = (source.SpoolFolder, source.Key);
            if (!Registry.TryGetValue(place, out var console) || console.IsOver)
            {
                console = new SharedConsole(source);
                console.Begin();
                Registry[place] = console;
            }

            console._readers++;
            return console;
        }
    }

    public void Leave()
    {
        lock (RegistryLock)
        {
            if (--_readers > 0) return;
            var place = (_source.SpoolFolder, _source.Key);
            if (Registry.GetValueOrDefault(place) == this) Registry.Remove(place);
            lock (_gate)
            {
                Release();
                _hasEnded = true;
                _spool.Dispose();
            }
        }
    }

    /// <summary>Reads on from an offset. 0 at the end of the console, null when nothing came in time or it was cancelled.</summary>
    public int? Read(ref long offset, Span<byte> buffer, TimeSpan timeout, CancellationToken cancellation)
    {
        using var waking = cancellation.Register(Wake);
        var begin = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            while (true)
            {
                if (_failure is not null) throw new LvmException(_failure.ErrorId, _failure.Problem, _failure) { Errno = _failure.Errno };
                if (cancellation.IsCancellationRequested) return null;
                var count = _spool.Read(ref offset, buffer);
                if (count > 0 || _hasEnded) return count;
                if (!Waiting.Wait(_gate, timeout, begin)) return null;
            }
        }
    }

    /// <summary>Something happened to the file that was polled.</summary>
    public void OnPolled() => Guarded(() =>
    {
        if (_isPump) Pump();
        else TakeOver();
    });

    /// <summary>Something happened to the spool.</summary>
    public void OnSpool(uint events) => Guarded(() =>
    {
        if (_isPump)
        {
            if ((events & Libc.AttributesChanged) != 0 && _spool.IsRemoved) DrainAndEnd();
            return;
        }

        Monitor.PulseAll(_gate);
        // Where the pump's process can be seen, its end is what tells that it closed its files: until then it may hold locks.
        var mayBeFree = _pump >= 0 ? Libc.AttributesChanged : Libc.AttributesChanged | Libc.WriterClosed;
        if ((events & (mayBeFree | Libc.EventsLost)) != 0) TakeOver();
    });

    private bool IsOver
    {
        get
        {
            lock (_gate) return _hasEnded || _failure is not null;
        }
    }

    private void Wake()
    {
        lock (_gate) Monitor.PulseAll(_gate);
    }

    private void Begin()
    {
        lock (_gate)
        {
            try
            {
                // First the watch: whatever happens after the lock was found taken is seen.
                _watch = ConsoleHub.Add(this, _spool.DescriptorPath);
                TakeOver();
                if (_failure is not null) throw _failure;
            }
            catch (Exception error)
            {
                Release();
                _spool.Dispose();
                if (error is LvmException) throw;
                throw new LvmException(ErrorIds.HostFileFailure, $"'{_source.SpoolPath}' cannot be watched: {error.Message.TrimEnd('.')}", error);
            }
        }
    }

    /// <summary>Work of the hub's thread, which must not end with one console.</summary>
    private void Guarded(Action work)
    {
        lock (_gate)
        {
            if (_hasEnded || _failure is not null) return;
            try
            {
                work();
            }
            catch (Exception error)
            {
                Fail(error as LvmException ?? new LvmException(ErrorIds.ConsoleUnavailable, error.Message.TrimEnd('.'), error));
            }
        }
    }

    /// <summary>Becomes the pump, or learns who is.</summary>
    private void TakeOver()
    {
        CloseFile(ref _pump);
        if (_source.IsWrittenElsewhere)
        {
            if (_spool.IsRemoved || !_source.Exists()) EndRemoved();
            return;
        }

        while (true)
        {
            if (_spool.TryLock())
            {
                _isPump = true;
                if (_spool.IsRemoved) End(); // and nobody is there any more who would fill it
                else BeginPumping();
                return;
            }

            MayLag = true;
            if (_spool.FindLocker() is not { } process) continue;
            _pump = process > 0 ? Libc.PidFile(process) : None;
            if (_pump < 0 && process > 0 && Marshal.GetLastPInvokeError() == Libc.ESRCH) continue;
            if (_spool.FindLocker() == process) break;
            CloseFile(ref _pump);
        }

        ConsoleHub.LookAgain();
        Monitor.PulseAll(_gate);
    }

    private void BeginPumping()
    {
        try
        {
            if (_source.FindTerminal() is not { } path)
            {
                if (!_source.Exists()) EndRemoved();
                else Fail(ConsoleSource.NoTerminal());
                return;
            }

            _xlLock = ConsoleLock.Take(_source.Key.Id, _source.LockFolder);
            _terminal = GuestTerminal.Open(path);
        }
        catch (LvmException error)
        {
            Fail(error);
            return;
        }

        ConsoleHub.ExpectRemoval(_spool.DescriptorPath);
        ConsoleHub.LookAgain();
        Pump();
    }

    /// <summary>Appends to the spool what the guest has written, as far as it is there.</summary>
    private void Pump()
    {
        for (var i = 0; i < ReadsAtOnce; i++)
        {
            nint count;
            fixed (byte* buffer = _buffer) count = Libc.Read(_terminal, buffer, (nuint)_buffer.Length);
            if (count > 0)
            {
                MayLag = true;
                _spool.Append(_buffer.AsSpan(0, (int)count));
                Monitor.PulseAll(_gate);
                continue;
            }

            if (count < 0 && Marshal.GetLastPInvokeError() is Libc.EINTR or Libc.EAGAIN) return;
            // The other side of the terminal is gone: it gives EIO.
            if (_source.Exists()) Fail(new LvmException(ErrorIds.ConsoleUnavailable, "xenconsoled has closed it"));
            else EndRemoved();
            return;
        }
    }

    private void DrainAndEnd()
    {
        Pump();
        if (!_hasEnded && _failure is null) End();
    }

    /// <summary>The domain is gone, and this is the first to notice: by the removal of the spool all others do.</summary>
    private void EndRemoved()
    {
        _spool.Remove();
        End();
    }

    private void End()
    {
        Release();
        _hasEnded = true;
        Monitor.PulseAll(_gate);
    }

    private void Fail(LvmException error)
    {
        Release();
        _failure = error;
        _spool.Dispose(); // another attempt of this process opens it anew: one descriptor at a time
        Monitor.PulseAll(_gate);
    }

    private void Release()
    {
        if (_watch >= 0) ConsoleHub.Remove(_watch);
        _watch = None;
        CloseFile(ref _terminal);
        CloseFile(ref _pump);
        _xlLock?.Dispose();
        _xlLock = null;
        if (_isPump) _spool.Unlock();
        _isPump = false;
    }

    private static void CloseFile(ref int file)
    {
        if (file >= 0) _ = Libc.Close(file);
        file = None;
    }
}
