using System.Runtime.CompilerServices;
using LightVM.Noxs;

namespace LightVM.Unit.Noxs;

/// <summary>What the guest's sides of all devices with rings have: control page, port, and the shared indexes of rings.</summary>
/// <typeparam name="TSelf">The guest's side of what.</typeparam>
/// <param name="port">The guest's port for the rings.</param>
internal abstract unsafe class GuestSide<TSelf>(MemoryMachine machine, ushort domain, DevicePlace place, uint port)
    where TSelf : GuestSide<TSelf>
{
    /// <summary>Where a ring's slots begin in its page.</summary>
    protected const int Ring = 64;

    public DevicePlace Place { get; } = place;

    public SideState Backend => Header->Backend;

    /// <summary>The backend's end of the rings' port; 0 while it has none.</summary>
    public uint BackendPort => Machine.Offered[(Domain, port)];

    public int Notifications => Machine.Notified.GetValueOrDefault(BackendPort);

    protected MemoryMachine Machine { get; private set; } = machine;

    protected ushort Domain { get; } = domain;

    private ControlHeader* Header => (ControlHeader*)Machine.Shared[Place.Grant].Address;

    public void Say(SideState state)
    {
        Header->Frontend = state;
        Header->BackendWatch = WatchState.Updated;
        Header->FrontendWatch = WatchState.Requested;
        Machine.Fire(Place.Port);
    }

    /// <summary>The same guest, which knows nothing of another daemon.</summary>
    public TSelf At(MemoryMachine machine)
    {
        Machine = machine;
        return (TSelf)this;
    }

    /// <summary>The shared indexes of a ring: requests, when to tell of requests, responses, when to tell of responses.</summary>
    public static ref uint Index(IntPtr ring, int which) => ref Unsafe.AsRef<uint>((uint*)ring + which);

    /// <summary>A ring with nothing in it, of which both sides want to be told of the first thing that happens.</summary>
    protected static void Clear(IntPtr ring)
    {
        new Span<byte>((void*)ring, DevicePage.Size).Clear();
        Index(ring, 1) = Index(ring, 3) = 1;
    }
}
