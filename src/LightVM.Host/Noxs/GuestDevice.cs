using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>One device of a guest. Its members are called under its worker's lock.</summary>
internal abstract class GuestDevice : IEventTarget
{
    /// <summary>What of a guest's doings is logged: it could fill the log otherwise.</summary>
    private const int MostComplaints = 8;

    private int _complaints;

    protected GuestDevice(IWorker worker, ushort domain, uint id, DaemonLog log)
    {
        Worker = worker;
        Domain = domain;
        Id = id;
        Log = log;
    }

    public ushort Domain { get; }

    public uint Id { get; }

    public abstract DeviceType Type { get; }

    /// <summary>How far this side is.</summary>
    public virtual SideState State => SideState.Unknown;

    /// <summary>"vif 0 of domain 7".</summary>
    public string Name => $"{Type.ToString().ToLowerInvariant()} {Id} of domain {Domain}";

    /// <summary>Something changed of what a daemon that comes after this one has to know.</summary>
    public Action? Changed { get; set; }

    /// <summary>Its guest waits for what the host makes for it in its own time.</summary>
    public Action? Needed { get; set; }

    protected IWorker Worker { get; }

    protected IGuestAccess Access => Worker.Access;

    protected DaemonLog Log { get; }

    public abstract void OnPort(uint port);

    public virtual void OnFile(bool isBroken)
    {
    }

    public virtual void OnTurn()
    {
    }

    public void OnFailure(Exception error)
    {
        Complain($"failed: {error.Message}");
        try
        {
            Break();
        }
        catch (Exception another) // and neither may this be the end of the others
        {
            Complain($"cannot be disconnected: {another.Message}");
        }
    }

    /// <summary>What the next daemon finds it by.</summary>
    public abstract DeviceRecord Record();

    /// <summary>Ends it: all that it has of the host and of the guest is freed.</summary>
    public abstract void Remove();

    /// <summary>Has nothing to do any more with a guest that did what it may not.</summary>
    protected abstract void Break();

    protected void Complain(string what)
    {
        if (_complaints < MostComplaints) Log.Warning($"{Name}: {what}{(++_complaints == MostComplaints ? " (no more of this device is logged)" : "")}");
    }
}
