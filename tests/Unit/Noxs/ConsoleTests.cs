using System.Text;
using LightVM.Errors;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>A guest's console ring, what is written there and what is typed.</summary>
public sealed unsafe class ConsoleTests : IDisposable
{
    private const uint GuestPort = 3;
    private readonly MemoryMachine _machine = new();

    public ConsoleTests()
    {
        _machine.Offered[(7, GuestPort)] = 0;
    }

    private uint Port => _machine.Offered[(7, GuestPort)];

    private string Written => _machine.Written.TryGetValue(7, out var stream) ? Encoding.ASCII.GetString(stream.ToArray()) : "";

    public void Dispose()
    {
        _machine.Service.DropEnded(() => _ => false);
        _machine.Dispose();
    }

    [Fact]
    public void What_the_guest_writes_is_kept_and_its_room_is_given_back()
    {
        var ring = Attach();
        var all = new StringBuilder();
        for (var i = 0; i < 20; i++)
        {
            var text = $"{i}: {new string((char)('a' + i), 500)}\n";
            all.Append(text);
            ring.Say(text);
            _machine.Fire(Port);
        }

        Assert.Equal(all.ToString(), Written);
        Assert.Equal(ring.Index(3), ring.Index(2));
        Assert.Equal(21, _machine.Notified[Port] + 1); // once for each piece: it may have been waiting
    }

    [Fact]
    public void The_ring_may_come_after_the_console()
    {
        _machine.Service.Create(new CreateArgument { Type = DeviceType.Console, Frontend = 7, Port = GuestPort });
        _machine.Fire(Port);
        Assert.Equal(0, _machine.Mapped);
        var ring = new GuestConsole(_machine);
        ring.Say("hello");
        _machine.Fire(Port);
        Assert.Equal("hello", Written);
    }

    [Fact]
    public void What_is_typed_waits_until_the_guest_has_room()
    {
        var ring = Attach();
        var typed = string.Concat(Enumerable.Range(0, 400).Select(i => $"key{i:d4} "));
        using (var input = new FileStream(_machine.InputOf(7), FileMode.Open, FileAccess.Write)) input.Write(Encoding.ASCII.GetBytes(typed));
        var heard = "";
        while (heard.Length < typed.Length)
        {
            Assert.True(_machine.Ready());
            Assert.InRange(ring.Unread, 1, 1024);
            if (ring.Unread == 1024) Assert.False(_machine.Ready()); // it has no room any more
            heard += ring.Hear();
            _machine.Fire(Port);
        }

        Assert.Equal(typed, heard);
    }

    [Fact]
    public void A_guest_with_indexes_that_are_none_has_no_console_any_more()
    {
        foreach (var index in (int[])[3, 0])
        {
            var ring = Attach();
            ring.Index(index) += 5000;
            if (index == 0)
            {
                using (var input = new FileStream(_machine.InputOf(7), FileMode.Open, FileAccess.Write)) input.Write("x"u8);
                _machine.Ready();
            }
            else
            {
                _machine.Fire(Port);
            }

            Assert.Equal((0, 0, 0), (_machine.Mapped, _machine.Ports.Count, _machine.Watches));
            Assert.Contains("console 0 of domain 7", _machine.Messages.ToString(), StringComparison.Ordinal);
            Assert.Equal(0, _machine.Service.Destroy(DeviceType.Console));
            Assert.False(File.Exists(_machine.InputOf(7)));
        }
    }

    [Fact]
    public void A_guest_that_writes_anything_into_its_ring_harms_nobody()
    {
        var random = new Random(5);
        for (var round = 0; round < 200; round++)
        {
            var ring = Attach();
            for (var step = 0; step < 30 && Port != 0; step++)
            {
                ring.Index(random.Next(4)) = random.Next(3) == 0 ? (uint)random.NextInt64(uint.MaxValue) : ring.Index(random.Next(4)) + (uint)random.Next(-100, 3000);
                _machine.Fire(Port);
            }

            Assert.Equal(0, _machine.Service.Destroy(DeviceType.Console));
            _machine.AssertEmpty();
        }
    }

    [Fact]
    public void Of_a_port_that_is_not_offered_there_is_a_word_in_the_log()
    {
        _machine.Service.Create(CreateArgument.Console(7, 0, 99));
        Assert.Contains("does not offer port 99", _machine.Messages.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, _machine.Service.Destroy(DeviceType.Console));
        _machine.AssertEmpty();
    }

    private GuestConsole Attach()
    {
        var ring = new GuestConsole(_machine);
        _machine.Service.Create(new CreateArgument { Type = DeviceType.Console, Frontend = 7, Grant = 0, Port = GuestPort });
        return ring;
    }

    /// <summary>The guest's side (xen/io/console.h).</summary>
    private sealed class GuestConsole
    {
        private readonly byte* _page;

        public GuestConsole(MemoryMachine machine)
        {
            var page = machine.NewPage();
            machine.Granted[(7, 0)] = page;
            _page = (byte*)page;
        }

        public int Unread => (int)(Index(1) - Index(0));

        /// <summary>in_cons, in_prod, out_cons, out_prod.</summary>
        public ref uint Index(int which) => ref ((uint*)(_page + 3072))[which];

        public void Say(string text)
        {
            foreach (var letter in text) _page[1024 + (Index(3)++ & 2047)] = (byte)letter;
        }

        public string Hear()
        {
            var text = new StringBuilder();
            while (Index(0) != Index(1)) text.Append((char)_page[Index(0)++ & 1023]);
            return text.ToString();
        }
    }
}
