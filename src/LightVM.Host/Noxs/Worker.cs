using System.Runtime.InteropServices;
using LightVM.Host.Devices;
using LightVM.Linux;

namespace LightVM.Host.Noxs;

/// <summary>Who is told of events at a worker.</summary>
internal interface IEventTarget
{
    /// <summary>A port had an event.</summary>
    void OnPort(uint port);

    /// <summary>Its file can be read, or will be of no use any more.</summary>
    void OnFile(bool isBroken);

    /// <summary>There was more to do than one may do at once.</summary>
    void OnTurn();

    /// <summary>It failed in a way that was not foreseen.</summary>
    void OnFailure(Exception error);
}

/// <summary>Where a device waits for what happens. All of a domain's devices are at one worker, and are used under its lock.</summary>
internal interface IWorker
{
    IGuestAccess Access { get; }

    /// <summary>Held by whoever uses devices of this worker.</summary>
    object Lock { get; }

    void Listen(uint port, IEventTarget target);

    void Ignore(uint port);

    /// <summary>Watches a file until <see cref="Unwatch"/>; the result names it.</summary>
    ulong Watch(int file, IEventTarget target);

    /// <summary>Whether it matters that the file can be read.</summary>
    void Want(int file, ulong watch, bool wanted);

    void Unwatch(int file, ulong watch);

    /// <summary>Has <see cref="IEventTarget.OnTurn"/> called once the others had their turn.</summary>
    void Again(IEventTarget target);
}

/// <summary>A thread that waits for the ports and files of several guests' devices (epoll(7)), and sleeps while nothing happens.</summary>
internal sealed unsafe class Worker : IWorker, IDaemonTask, IDisposable
{
    private const int EventsAtOnce = 64;
    private const ulong PortsReady = 0;
    private const ulong Woken = 1;

    private readonly XenAccess _access;
    private readonly Dictionary<uint, IEventTarget> _ports = [];
    private readonly Dictionary<ulong, IEventTarget> _files = [];
    private readonly WakeFile _wake = new();
    private readonly int _set;
    private List<IEventTarget> _again = [];
    private List<IEventTarget> _turn = [];
    private ulong _nextWatch = 2;

    public Worker(int number, XenAccess access)
    {
        Number = number;
        _access = access;
        _set = SystemCalls.NewEventSet(Libc.OpenCloseOnExec);
        if (_set < 0) throw Libc.Failure("epoll_create1");
        Control(SystemCalls.EventAdd, access.PortFile, PortsReady, SystemCalls.EventReadable);
        Control(SystemCalls.EventAdd, _wake.File, Woken, SystemCalls.EventReadable);
    }

    public int Number { get; }

    public string Name => $"worker {Number}";

    public object Lock { get; } = new();

    public IGuestAccess Access => _access;

    public XenAccess XenAccess => _access;

    /// <summary>Domains that it serves.</summary>
    public int Domains { get; set; }

    public void Listen(uint port, IEventTarget target) => _ports[port] = target;

    public void Ignore(uint port) => _ports.Remove(port);

    public ulong Watch(int file, IEventTarget target)
    {
        var watch = _nextWatch++;
        _files.Add(watch, target);
        Control(SystemCalls.EventAdd, file, watch, SystemCalls.EventReadable);
        return watch;
    }

    public void Want(int file, ulong watch, bool wanted) => Control(SystemCalls.EventChange, file, watch, wanted ? SystemCalls.EventReadable : 0);

    public void Unwatch(int file, ulong watch)
    {
        if (_files.Remove(watch)) Control(SystemCalls.EventRemove, file, watch, 0);
    }

    public void Again(IEventTarget target)
    {
        if (!_again.Contains(target)) _again.Add(target);
        _wake.Wake();
    }

    /// <summary>Has the kernel tell of a port's next event, where an earlier process was told of the last one and did not say that it was done.</summary>
    public void Unmask(uint port) => _ = Libc.Write(_access.PortFile, (byte*)&port, sizeof(uint));

    public void Run(CancellationToken cancellation)
    {
        using var waking = cancellation.Register(_wake.Wake);
        var events = stackalloc SystemCalls.FileEvent[EventsAtOnce];
        var ports = new uint[1024];
        while (true)
        {
            var count = SystemCalls.AwaitEvents(_set, events, EventsAtOnce, -1);
            if (count < 0 && Marshal.GetLastPInvokeError() != Libc.EINTR) throw Libc.Failure("epoll_wait");
            cancellation.ThrowIfCancellationRequested();
            lock (Lock)
            {
                for (var i = 0; i < count; i++)
                {
                    if (events[i].Data == PortsReady) ServePorts(ports);
                    else if (events[i].Data == Woken) _wake.Clear();
                    else if (_files.TryGetValue(events[i].Data, out var target)) Serve(target, static (each, broken) => each.OnFile(broken != 0), events[i].Events & SystemCalls.EventBroken);
                }

                TakeTurns();
            }
        }
    }

    /// <summary>After this nobody has the lock any more: a disk's thread that is done finds no rings, and waits there for the end of the process.</summary>
    public void Dispose()
    {
        Monitor.Enter(Lock);
        _ = Libc.Close(_set);
        _wake.Dispose();
        _access.Dispose();
    }

    private void ServePorts(uint[] ports)
    {
        fixed (uint* first = ports)
        {
            var size = Libc.Read(_access.PortFile, (byte*)first, (nuint)ports.Length * sizeof(uint));
            if (size <= 0) return;
            for (var i = 0; i < (int)size / sizeof(uint); i++)
            {
                if (_ports.TryGetValue(ports[i], out var target)) Serve(target, static (each, port) => each.OnPort(port), ports[i]);
            }

            // What happened meanwhile was noted, and is told of from here on. A port that is closed by now is no concern of the others'.
            if (Libc.Write(_access.PortFile, (byte*)first, (nuint)size) == size) return;
            for (var i = 0; i < (int)size / sizeof(uint); i++) Unmask(ports[i]);
        }
    }

    private void TakeTurns()
    {
        if (_again.Count == 0) return;
        (_again, _turn) = (_turn, _again);
        foreach (var target in _turn) Serve(target, static (each, _) => each.OnTurn(), 0);
        _turn.Clear();
    }

    private static void Serve(IEventTarget target, Action<IEventTarget, uint> work, uint port)
    {
        try
        {
            work(target, port);
        }
        catch (Exception error) // one guest's device must not be the end of the others'
        {
            target.OnFailure(error);
        }
    }

    private void Control(int operation, int file, ulong data, uint events)
    {
        var wanted = new SystemCalls.FileEvent { Events = events, Data = data };
        if (SystemCalls.ChangeEventSet(_set, operation, file, wanted) != 0 && operation != SystemCalls.EventRemove) throw Libc.Failure("epoll_ctl");
    }
}
