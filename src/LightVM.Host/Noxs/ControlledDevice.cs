using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>How connecting a device ended.</summary>
internal enum Connecting
{
    Done,

    /// <summary>The host is not ready: it is tried again.</summary>
    Later,

    /// <summary>What the guest offers cannot be used.</summary>
    Refused,
}

/// <summary>
/// A device with a control page. The page is the guest's to write: what is in it is read once for each use, and this side's own state is
/// never read back from there.
/// </summary>
internal abstract unsafe class ControlledDevice : GuestDevice
{
    private readonly SharedPage _page;
    private readonly uint _port;
    private SideState _state = SideState.InitialisingWait;

    /// <param name="page">New, zeroed; or one that an earlier daemon had.</param>
    protected ControlledDevice(IWorker worker, ushort domain, uint id, DaemonLog log, in SharedPage page, uint port)
        : base(worker, domain, id, log)
    {
        _page = page;
        _port = port;
    }

    public DevicePlace Place => new(Id, _page.Grant, _port);

    public override SideState State => _state;

    /// <summary>Whether the guest was asked to let go of it: once it has, there is nothing more to it.</summary>
    public bool IsLeaving { get; private set; }

    /// <summary>Called when a guest has let go of a device that it was asked to.</summary>
    public Action? Left { get; set; }

    public bool HasLeft => IsLeaving && _state == SideState.Closed;

    protected uint Port => _port;

    protected void* Control => (void*)_page.Address;

    private ControlHeader* Header => (ControlHeader*)_page.Address;

    /// <summary>Makes the page what a guest may find, and listens.</summary>
    public void Begin()
    {
        Header->DeviceId = (int)Id;
        Header->Backend = _state;
        Fill();
        Worker.Listen(_port, this);
        Look();
    }

    /// <summary>Goes on where an earlier daemon was: a guest that was connected stays so, and is not told.</summary>
    /// <param name="isLeaving">Whether that one had asked it to let go.</param>
    public void GoOn(bool isLeaving = false)
    {
        IsLeaving = isLeaving;
        Worker.Listen(_port, this);
        Look();
    }

    /// <summary>Asks the guest to let go. It may take its time, in which it has what it had; one that has nothing is done with.</summary>
    public void AskToLetGo()
    {
        IsLeaving = true;
        Changed?.Invoke();
        Announce(_state is SideState.Connected or SideState.Closing ? SideState.Closing : SideState.Closed);
    }

    public override void OnPort(uint port)
    {
        if (port == _port) Look();
    }

    public override DeviceRecord Record() => new(Type, Id, _page.Index, _page.Grant, _port) { IsLeaving = IsLeaving };

    public override void Remove()
    {
        Disconnect();
        Announce(SideState.Closed);
        Worker.Ignore(_port);
        Access.ClosePort(_port);
        Access.Unshare(_page);
    }

    /// <summary>Writes what is told to the guest.</summary>
    protected abstract void Fill();

    /// <summary>Uses what the guest has written, all of which is checked.</summary>
    protected abstract Connecting Connect();

    /// <summary>Begins nothing more for the guest; false while something is under way, after which <see cref="Look"/> is called again.</summary>
    protected virtual bool Quiesce() => true;

    /// <summary>Lets go of all that is the guest's. May be called at any time.</summary>
    protected abstract void Disconnect();

    /// <summary>The guest goes back to its beginning.</summary>
    protected virtual void Reset()
    {
    }

    protected override void Break()
    {
        Disconnect();
        Announce(SideState.Closed);
    }

    /// <summary>Looks how far the guest is, and follows.</summary>
    protected void Look()
    {
        // First the wish, then the look: whatever changes after that is told.
        Volatile.Write(ref *(int*)&Header->BackendWatch, (int)WatchState.Requested);
        Interlocked.MemoryBarrier();
        switch ((SideState)Volatile.Read(ref *(int*)&Header->Frontend))
        {
            case SideState.Initialised or SideState.Connected when _state == SideState.InitialisingWait:
                switch (Connect())
                {
                    case Connecting.Done:
                        Announce(IsLeaving ? SideState.Closing : SideState.Connected);
                        break;
                    case Connecting.Refused:
                        Break();
                        break;
                }

                break;
            case SideState.Closing when _state is SideState.Connected or SideState.InitialisingWait:
                if (!Quiesce()) return;
                Disconnect();
                Announce(SideState.Closing);
                break;
            case SideState.Closed when _state != SideState.Closed:
                if (!Quiesce()) return;
                Disconnect();
                Reset();
                Announce(SideState.Closed);
                break;
            case SideState.Initialising when _state != SideState.InitialisingWait:
                if (!Quiesce()) return;
                Disconnect();
                Reset();
                Fill();
                Announce(IsLeaving ? SideState.Closed : SideState.InitialisingWait);
                break;
        }
    }

    /// <summary>Tells the guest of a change.</summary>
    protected void Tell()
    {
        Volatile.Write(ref *(int*)&Header->FrontendWatch, (int)WatchState.Updated);
        Interlocked.MemoryBarrier();
        Access.Notify(_port);
    }

    /// <summary>What leads to a guest by a port of a ring; where it has none of its own, the device's does.</summary>
    protected void Notify(PortPair port) => Access.Notify(port.Local != 0 ? port.Local : _port);

    /// <summary>Sees to it that a guest's port is bound; 0 is the device's own.</summary>
    protected bool Bind(ref PortPair pair, uint port)
    {
        if (pair.Guest != port || (pair.Local == 0) != (port == 0))
        {
            Unbind(ref pair);
            if (port == 0) return true;
            var local = Access.BindPort(Domain, port);
            if (local == 0) return false;
            pair = new PortPair(port, local);
        }

        if (pair.Local != 0) Worker.Listen(pair.Local, this);
        return true;
    }

    protected void Unbind(ref PortPair pair)
    {
        if (pair.Local != 0)
        {
            Worker.Ignore(pair.Local);
            Access.ClosePort(pair.Local);
        }

        pair = default;
    }

    protected Connecting Refuse(string why)
    {
        Complain($"{why}; it is disconnected");
        return Connecting.Refused;
    }

    protected void Violate(string what)
    {
        Complain($"{what}; it is disconnected");
        Break();
    }

    private void Announce(SideState state)
    {
        _state = state;
        Volatile.Write(ref *(int*)&Header->Backend, (int)state);
        Tell();
        if (HasLeft) Left?.Invoke();
    }
}
