using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>
/// Guests that write anything anywhere they can, at any time: nothing may be thrown, nothing may be left over, and another guest's frames go through.
/// </summary>
public sealed unsafe class HostileGuestTests
{
    /// <summary>Values at which something may happen.</summary>
    private static readonly uint[] Edges = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 63, 64, 100, 101, 255, 256, 257, 4095, 4096, 0x7fffffff, 0x80000000, 0xfffffff0, uint.MaxValue];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whatever_a_guest_writes_it_harms_nobody(int seed)
    {
        var random = new Random(seed);
        using var machine = new MemoryMachine();
        var other = new GuestVif(machine, 8, machine.Service.Vif(domain: 8));
        other.Connect();
        other.Offer(GuestVif.Slots);
        for (var round = 0; round < 60; round++)
        {
            var sysctl = machine.Service.Sysctl();
            var hostile = new GuestVif(machine, 7, machine.Service.Vif());
            for (var step = 0; step < 250; step++)
            {
                Misbehave(machine, hostile, sysctl, random);
                if (step % 50 == 0) AssertOtherIsServed(machine, other);
            }

            // At most the rings of both guests are mapped, and the ports of both are open, whatever it did.
            Assert.InRange(machine.Mapped, 2, 4);
            Assert.InRange(machine.Ports.Count, 4, 6);
            machine.Service.DropEnded(() => domain => domain == 8);
            Assert.Equal((2, 2, 1, 1), (machine.Mapped, machine.Ports.Count, machine.Shared.Count, machine.Watches));
            AssertOtherIsServed(machine, other);
        }

        machine.Service.DropEnded(() => _ => false);
        machine.AssertEmpty();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whatever_a_guest_does_with_its_disk_it_harms_nobody(int seed)
    {
        var random = new Random(seed);
        using var machine = new MemoryMachine();
        var (mine, others) = (new MemoryDisk(1, 1024), new MemoryDisk(2, 1024));
        (machine.Disks[1], machine.Disks[2]) = (mine, others);
        var other = new GuestVbd(machine, 8, machine.Service.Vbd(2, domain: 8));
        other.Connect();
        for (var round = 0; round < 60; round++)
        {
            var hostile = new GuestVbd(machine, 7, machine.Service.Vbd(1, random.Next(3) == 0 ? VbdMode.ReadOnly : VbdMode.ReadWrite));
            for (var step = 0; step < 250; step++)
            {
                Misbehave(machine, hostile, random);
                if (step % 50 == 0) AssertOtherIsServed(machine, other, random);
            }

            Assert.InRange(machine.Mapped, 1, 2);
            Assert.InRange(machine.Ports.Count, 3, 4);
            machine.Settle(); // who removes it waits for its disk, which is here
            machine.Service.DropEnded(() => domain => domain == 8);
            Assert.Equal((1, 2, 1), (machine.Mapped, machine.Ports.Count, machine.Shared.Count));
            Assert.Equal((false, true, 4 * GuestVbd.Slots), (mine.IsOpen, others.IsOpen, machine.FreeBuffers));
            AssertOtherIsServed(machine, other, random);
        }

        machine.Service.DropEnded(() => _ => false);
        machine.AssertEmpty();
    }

    private static void Misbehave(MemoryMachine machine, GuestVbd guest, Random random)
    {
        switch (random.Next(14))
        {
            case 0:
                guest.Say(SideState.Initialising);
                break;
            case 1 or 2:
                guest.Connect(random.Next(2) == 0 ? 0 : GuestVbd.Port);
                break;
            case 3:
                guest.Say((SideState)Edge(random));
                break;
            case 4:
                Scribble((IntPtr)guest.Control, random.Next(4) == 0 ? DevicePage.Size : sizeof(VbdPage), random);
                break;
            case 5:
                GuestVif.Index(guest.Page, random.Next(4)) = Near(GuestVif.Index(guest.Page, random.Next(4)), random);
                break;
            case 6:
                Scribble(guest.Page, DevicePage.Size, random);
                break;
            case 7 or 8 or 9:
                guest.Ask((DiskOperation)random.Next(7), Edge(random), random.Next(4) == 0 ? Edge(random) : (ulong)random.Next(1024), (uint)random.Next(GuestVbd.Buffers - 11), Segments(random), random.Next(8) == 0 ? (byte)Edge(random) : null, random.Next(8) == 0 ? Edge(random) : null);
                break;
            case 10:
                guest.AskDiscard(1, (ulong)random.Next(1100), Edge(random), (byte)random.Next(2));
                break;
            case 11:
                machine.Fire(guest.Place.Port);
                break;
            case 12:
                if (guest.BackendPort != 0) machine.Fire(guest.BackendPort);
                break;
            default:
                machine.Settle();
                break;
        }
    }

    private static (byte, byte)[] Segments(Random random) => [.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(12) == 0 ? ((byte)random.Next(256), (byte)random.Next(256)) : ((byte)random.Next(4), (byte)random.Next(4, 8)))];

    private static void AssertOtherIsServed(MemoryMachine machine, GuestVbd other, Random random)
    {
        var sector = (ulong)random.Next(1016);
        var data = new byte[DevicePage.Size];
        random.NextBytes(data);
        data.CopyTo(other.Buffer(0));
        Assert.Equal(0, other.Do(DiskOperation.Write, sector));
        other.Buffer(1).Clear();
        Assert.Equal(0, other.Do(DiskOperation.Read, sector, 1));
        Assert.True(data.AsSpan().SequenceEqual(other.Buffer(1)));
    }

    private static void Misbehave(MemoryMachine machine, GuestVif guest, DevicePlace sysctl, Random random)
    {
        switch (random.Next(18))
        {
            case 0:
                guest.Say(SideState.Initialising);
                break;
            case 1 or 2:
                guest.Connect(random.Next(2) == 0 ? 0 : GuestVif.Port);
                break;
            case 3:
                guest.Say((SideState)Edge(random));
                break;
            case 4:
                Scribble((IntPtr)guest.Control, sizeof(VifPage), random);
                break;
            case 5:
                Scribble(machine.Shared[sysctl.Grant].Address, sizeof(SysctlPage), random);
                machine.Fire(sysctl.Port);
                break;
            case 6:
                GuestVif.Index(guest.Transmit, random.Next(4)) = Near(GuestVif.Index(guest.Transmit, random.Next(4)), random);
                break;
            case 7:
                GuestVif.Index(guest.Receive, random.Next(4)) = Near(GuestVif.Index(guest.Receive, random.Next(4)), random);
                break;
            case 8:
                Scribble(guest.Transmit, DevicePage.Size, random);
                break;
            case 9:
                Scribble(guest.Receive, DevicePage.Size, random);
                break;
            case 10:
                guest.Send(new byte[random.Next(100)], (ushort)(random.Next(4) == 0 ? Edge(random) : 0), (ushort)random.Next(3000), random.Next(4) == 0 ? Edge(random) : null, random.Next(4) == 0 ? (ushort)Edge(random) : null);
                break;
            case 11:
                guest.Offer(random.Next(300), random.Next(4) == 0 ? Edge(random) : null);
                break;
            case 12:
                machine.Taps["vif7.0"].ToGuest.Enqueue(new byte[random.Next(1, 5000)]);
                break;
            case 13:
                SendChain(guest, random);
                break;
            case 14:
                guest.Control->FrontendFeatures = (VifFrontendFeatures)(random.Next(4) == 0 ? Edge(random) : (uint)random.Next(1024));
                machine.Taps["vif7.0"].Left = new Unfinished(random.Next(2) == 0, (Segmentation)random.Next(3), (ushort)random.Next(3000));
                machine.Taps["vif7.0"].ToGuest.Enqueue(new byte[random.Next(1, 65550)]);
                break;
            case 15:
                machine.Fire(guest.Place.Port);
                break;
            case 16:
                if (guest.BackendPort != 0) machine.Fire(guest.BackendPort);
                break;
            default:
                machine.Settle();
                break;
        }
    }

    /// <summary>Frames of several slots, of which some are right and most are almost.</summary>
    private static void SendChain(GuestVif guest, Random random)
    {
        var sizes = Enumerable.Range(0, random.Next(21)).Select(_ => random.Next(8) == 0 ? random.Next(4097) : random.Next(200)).ToArray();
        ulong? extra = random.Next(2) == 0 ? null : random.Next(4) == 0
            ? (Edge(random) | ((ulong)Edge(random) << 32))
            : GuestVif.Cut((Segmentation)random.Next(1, 3), (ushort)random.Next(3000));
        var frame = new byte[Math.Min(sizes.Sum() + random.Next(1, 4096), ushort.MaxValue)];
        guest.SendParts(frame, sizes.Sum() > frame.Length ? [] : sizes, extra, (ushort)random.Next(4), random.Next(4) == 0 ? random.Next(sizes.Length + 1) : null);
        if (random.Next(3) == 0) guest.Scribble(random.Next(GuestVif.Slots), random.Next(3), random.Next(3) == 0 ? (uint)random.Next() : Edge(random));
    }

    private static void AssertOtherIsServed(MemoryMachine machine, GuestVif other)
    {
        var tap = machine.Taps["vif8.0"];
        var sent = tap.FromGuest.Count;
        other.Send(new byte[80]);
        machine.Fire(other.BackendPort);
        Assert.Equal(sent + 1, tap.FromGuest.Count);
        Assert.Equal([(short)0], other.TakeSent());
        tap.ToGuest.Enqueue(new byte[90]);
        machine.Settle();
        Assert.Equal(90, Assert.Single(other.TakeReceived())!.Length);
        other.Offer(1);
    }

    private static uint Edge(Random random) => Edges[random.Next(Edges.Length)];

    private static uint Near(uint value, Random random) => random.Next(3) == 0 ? Edge(random) : value + (uint)random.Next(-300, 300);

    private static void Scribble(IntPtr page, int size, Random random)
    {
        var words = new Span<uint>((void*)page, size / sizeof(uint));
        for (var i = random.Next(1, 8); i > 0; i--) words[random.Next(words.Length)] = random.Next(2) == 0 ? Edge(random) : (uint)random.Next();
    }
}
