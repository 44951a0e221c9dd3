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
            machine.Service.DropEnded(domain => domain == 8);
            Assert.Equal((2, 2, 1, 1), (machine.Mapped, machine.Ports.Count, machine.Shared.Count, machine.Watches));
            AssertOtherIsServed(machine, other);
        }

        machine.Service.DropEnded(_ => false);
        machine.AssertEmpty();
    }

    private static void Misbehave(MemoryMachine machine, GuestVif guest, DevicePlace sysctl, Random random)
    {
        switch (random.Next(16))
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
                machine.Fire(guest.Place.Port);
                break;
            case 14:
                if (guest.BackendPort != 0) machine.Fire(guest.BackendPort);
                break;
            default:
                machine.Settle();
                break;
        }
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
