using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>Every structure beside the same one in C, as the compiler of this machine lays it out.</summary>
public sealed class StructureTests
{
    // Written after the description of the format, in the names of C; nothing in here is known to the structures that are compared.
    private const string Source = """
        #include <stddef.h>
        #include <stdint.h>
        #include <stdio.h>
        #include <sys/ioctl.h>
        enum entry_type { E0 }; enum type { T0 }; enum state { S0 }; enum watch { W0 }; enum vbd_type { V0 }; enum vbd_mode { M0 };
        struct entry { enum entry_type type; uint32_t id; uint16_t be_id; uint32_t grant; uint32_t evtchn; };
        struct page { uint32_t version; uint32_t dev_count; struct entry devs[32]; };
        struct header { int devid; enum state be_state; enum state fe_state; enum watch fe_watch_state; enum watch be_watch_state; };
        struct sysctl { struct header hdr; uint8_t fe; uint8_t request; };
        struct vif { struct header hdr; int vifid;
            struct { uint16_t a:1, b:1, c:1, d:1, e:1, f:1, g:1, h:1, i:1, j:1, k:1, l:1, m:1, n:1, o:1; } be;
            int max_queues; int num_queues; uint32_t tx_ring_ref; uint32_t rx_ring_ref; uint32_t event_channel_tx; uint32_t event_channel_rx;
            uint32_t request_rx_copy; struct { uint16_t a:1, b:1, c:1, d:1, e:1, f:1, g:1, h:1, i:1, j:1; } fe;
            uint32_t ctrl_ring_ref; uint32_t event_channel_ctrl; uint8_t mac[6]; uint32_t ip; char bridge[16]; };
        struct vbd_ring { uint32_t evtchn; uint32_t refs[]; };
        struct vbd { struct header hdr; struct { uint16_t max_indirect_segments; uint8_t p:1, b:1, f:1, d:1; } be;
            uint32_t major; uint32_t minor; enum vbd_type type; enum vbd_mode mode; uint32_t info; uint64_t sectors; uint64_t sector_size;
            uint64_t sector_size_physical; int discard_enable; int discard_granularity; int discard_alignment; int discard_secure;
            struct { uint8_t p:1; } fe; char protocol[64]; int max_rings; int max_ring_page_order; int num_rings; int ring_page_order;
            struct vbd_ring rings; };
        struct cfg_vif { uint8_t mac[6]; uint32_t ip; char bridge[16]; };
        struct cfg_vbd { uint32_t major; uint32_t minor; enum vbd_type type; enum vbd_mode mode; };
        union cfg { struct cfg_vif vif; struct cfg_vbd vbd; };
        struct create { enum type type; uint16_t be_id; uint16_t fe_id; union cfg cfg; uint32_t devid; uint32_t grant; uint32_t evtchn; };
        struct destroy { enum type type; uint16_t be_id; uint16_t fe_id; uint32_t devid; };
        struct list { enum type type; uint16_t be_id; uint16_t fe_id; uint32_t devid; uint32_t count; uint32_t ids[32]; };
        struct query { enum type type; uint16_t be_id; uint16_t fe_id; uint32_t devid; union cfg cfg; };
        struct guest_close { enum type type; uint16_t domid; };
        struct key { enum entry_type type; uint16_t be_id; uint16_t fe_id; uint32_t devid; };
        struct devctl { uint32_t version; uint32_t cmd; uint16_t domain;
            union { uint64_t mfn; struct entry add; struct key rem; struct { uint32_t dev_count; struct entry devs[32]; } all; } u; };
        #define O(s, f) printf(#s "." #f " %zu\n", offsetof(struct s, f))
        #define S(s) printf(#s " %zu\n", sizeof(struct s))
        #define N(s, n) printf("_" #s " %lu\n", (unsigned long)_IOC(_IOC_NONE, 'P', n, sizeof(struct s)))
        int main(void) {
            S(entry); O(entry, type); O(entry, id); O(entry, be_id); O(entry, grant); O(entry, evtchn);
            S(page); O(page, version); O(page, dev_count); O(page, devs);
            S(header); O(header, devid); O(header, be_state); O(header, fe_state); O(header, fe_watch_state); O(header, be_watch_state);
            S(sysctl); O(sysctl, fe); O(sysctl, request);
            S(vif); O(vif, vifid); O(vif, be); O(vif, max_queues); O(vif, num_queues); O(vif, tx_ring_ref); O(vif, rx_ring_ref);
            O(vif, event_channel_tx); O(vif, event_channel_rx); O(vif, request_rx_copy); O(vif, fe); O(vif, ctrl_ring_ref);
            O(vif, event_channel_ctrl); O(vif, mac); O(vif, ip); O(vif, bridge);
            S(vbd); O(vbd, be); O(vbd, major); O(vbd, minor); O(vbd, type); O(vbd, mode); O(vbd, info); O(vbd, sectors); O(vbd, sector_size);
            O(vbd, sector_size_physical); O(vbd, discard_enable); O(vbd, discard_granularity); O(vbd, discard_alignment); O(vbd, discard_secure);
            O(vbd, fe); O(vbd, protocol); O(vbd, max_rings); O(vbd, max_ring_page_order); O(vbd, num_rings); O(vbd, ring_page_order); O(vbd, rings);
            S(cfg_vif); O(cfg_vif, mac); O(cfg_vif, ip); O(cfg_vif, bridge);
            S(cfg_vbd); O(cfg_vbd, major); O(cfg_vbd, minor); O(cfg_vbd, type); O(cfg_vbd, mode);
            S(create); O(create, type); O(create, be_id); O(create, fe_id); O(create, cfg); O(create, devid); O(create, grant); O(create, evtchn);
            S(destroy); O(destroy, type); O(destroy, be_id); O(destroy, fe_id); O(destroy, devid);
            S(list); O(list, type); O(list, be_id); O(list, fe_id); O(list, devid); O(list, count); O(list, ids);
            S(query); O(query, type); O(query, be_id); O(query, fe_id); O(query, devid); O(query, cfg);
            S(guest_close); O(guest_close, type); O(guest_close, domid);
            S(key); O(key, type); O(key, be_id); O(key, fe_id); O(key, devid);
            S(devctl); O(devctl, version); O(devctl, cmd); O(devctl, domain); O(devctl, u); O(devctl, u.all.devs);
            N(create, 0); N(destroy, 1); N(list, 2); N(query, 3); N(guest_close, 5);
            return 0;
        }
        """;

    [Fact]
    public void Every_structure_is_laid_out_as_in_C()
    {
        var compiler = FindCompiler();
        Assert.SkipWhen(compiler is null, "there is no C compiler here");
        Assert.Equal(RunC(compiler!), Here());
    }

    [Fact]
    public void The_sizes_and_numbers_are_those_of_the_description()
    {
        var here = Here();
        Assert.Equal((20, 648, 24, 96, 176), (here["entry"], here["page"], here["sysctl"], here["vif"], here["vbd"]));
        Assert.Equal((48, 12, 144, 40, 8), (here["create"], here["destroy"], here["list"], here["query"], here["guest_close"]));
        Assert.Equal((uint[])[0x305000, 0x0c5001, 0x905002, 0x285003, 0x085005], (uint[])[NoxsCalls.Create, NoxsCalls.Destroy, NoxsCalls.List, NoxsCalls.Query, NoxsCalls.GuestClose]);
        Assert.Equal([48, 12, 144, 40, 8], new[] { NoxsCalls.Create, NoxsCalls.Destroy, NoxsCalls.List, NoxsCalls.Query, NoxsCalls.GuestClose }.Select(NoxsCalls.SizeOf));
        Assert.Equal([8, 12], new[] { NoxsCalls.TellOfPage, NoxsCalls.AskToLetGo }.Select(NoxsCalls.SizeOf));
        Assert.All((uint[])[NoxsCalls.TellOfPage, NoxsCalls.AskToLetGo], call => Assert.True(NoxsCalls.Has(call)));
        Assert.Equal((12, 664, 16), (here["key"], here["devctl"], here["devctl.u"]));
        Assert.Equal(8, DevicePage.Tag.Length);
    }

    [Theory]
    [InlineData("00:16:3e:00:0a:ff", "192.168.77.9", "xenbr0")]
    [InlineData("00:16:3e:00:00:01", null, null)]
    [InlineData("02:00:00:00:00:00", "10.0.0.1", "fifteen-letters")]
    public void An_interface_has_the_settings_that_it_was_given(string mac, string? address, string? bridge)
    {
        var settings = VifSettings.Of(mac, address is null ? null : IPAddress.Parse(address), bridge);
        Assert.Equal((mac, address, bridge), (settings.MacText(), settings.AddressText(), settings.BridgeText()));
    }

    [Fact]
    public void An_address_is_in_the_order_of_the_network()
    {
        var settings = VifSettings.Of("00:16:3e:00:00:01", IPAddress.Parse("10.1.2.3"), null);
        Assert.Equal(new byte[] { 10, 1, 2, 3 }, BitConverter.GetBytes(settings.Address));
    }

    private static unsafe SortedDictionary<string, long> Here()
    {
        var here = new SortedDictionary<string, long>(StringComparer.Ordinal);

        void Add<T>(string name, T whole, params (string Field, long Offset)[] fields)
            where T : unmanaged
        {
            _ = whole;
            here.Add(name, sizeof(T));
            foreach (var (field, offset) in fields) here.Add($"{name}.{field}", offset);
        }

        long At<T, TField>(ref T whole, ref TField field) => Unsafe.ByteOffset(ref Unsafe.As<T, byte>(ref whole), ref Unsafe.As<TField, byte>(ref field));

        DeviceEntry entry = default;
        Add("entry", entry, ("type", At(ref entry, ref entry.Type)), ("id", At(ref entry, ref entry.Id)), ("be_id", At(ref entry, ref entry.Backend)), ("grant", At(ref entry, ref entry.Grant)), ("evtchn", At(ref entry, ref entry.Port)));
        DevicePage page = default;
        Add("page", page, ("version", At(ref page, ref page.Version)), ("dev_count", At(ref page, ref page.Count)), ("devs", At(ref page, ref page.Entries)));
        ControlHeader header = default;
        Add("header", header, ("devid", At(ref header, ref header.DeviceId)), ("be_state", At(ref header, ref header.Backend)), ("fe_state", At(ref header, ref header.Frontend)), ("fe_watch_state", At(ref header, ref header.FrontendWatch)), ("be_watch_state", At(ref header, ref header.BackendWatch)));
        SysctlPage sysctl = default;
        Add("sysctl", sysctl, ("fe", At(ref sysctl, ref sysctl.Features)), ("request", At(ref sysctl, ref sysctl.Request)));
        VifPage vif = default;
        Add("vif", vif, ("vifid", At(ref vif, ref vif.VifId)), ("be", At(ref vif, ref vif.BackendFeatures)), ("max_queues", At(ref vif, ref vif.MaxQueues)), ("num_queues", At(ref vif, ref vif.Queues)), ("tx_ring_ref", At(ref vif, ref vif.TransmitRing)), ("rx_ring_ref", At(ref vif, ref vif.ReceiveRing)), ("event_channel_tx", At(ref vif, ref vif.TransmitPort)), ("event_channel_rx", At(ref vif, ref vif.ReceivePort)), ("request_rx_copy", At(ref vif, ref vif.RequestReceiveCopy)), ("fe", At(ref vif, ref vif.FrontendFeatures)), ("ctrl_ring_ref", At(ref vif, ref vif.ControlRing)), ("event_channel_ctrl", At(ref vif, ref vif.ControlPort)), ("mac", At(ref vif, ref vif.Mac)), ("ip", At(ref vif, ref vif.Address)), ("bridge", At(ref vif, ref vif.Bridge)));
        VbdPage vbd = default;
        Add("vbd", vbd, ("be", At(ref vbd, ref vbd.BackendFeatures)), ("major", At(ref vbd, ref vbd.Major)), ("minor", At(ref vbd, ref vbd.Minor)), ("type", At(ref vbd, ref vbd.Type)), ("mode", At(ref vbd, ref vbd.Mode)), ("info", At(ref vbd, ref vbd.Info)), ("sectors", At(ref vbd, ref vbd.Sectors)), ("sector_size", At(ref vbd, ref vbd.SectorSize)), ("sector_size_physical", At(ref vbd, ref vbd.PhysicalSectorSize)), ("discard_enable", At(ref vbd, ref vbd.DiscardEnabled)), ("discard_granularity", At(ref vbd, ref vbd.DiscardGranularity)), ("discard_alignment", At(ref vbd, ref vbd.DiscardAlignment)), ("discard_secure", At(ref vbd, ref vbd.DiscardSecure)), ("fe", At(ref vbd, ref vbd.FrontendFeatures)), ("protocol", At(ref vbd, ref vbd.Protocol)), ("max_rings", At(ref vbd, ref vbd.MaxRings)), ("max_ring_page_order", At(ref vbd, ref vbd.MaxRingPageOrder)), ("num_rings", At(ref vbd, ref vbd.Rings)), ("ring_page_order", At(ref vbd, ref vbd.RingPageOrder)), ("rings", At(ref vbd, ref vbd.RingPort)));
        Assert.Equal(VbdPage.RingsOffset, here["vbd.rings"]);
        VifSettings vifSettings = default;
        Add("cfg_vif", vifSettings, ("mac", At(ref vifSettings, ref vifSettings.Mac)), ("ip", At(ref vifSettings, ref vifSettings.Address)), ("bridge", At(ref vifSettings, ref vifSettings.Bridge)));
        VbdSettings vbdSettings = default;
        Add("cfg_vbd", vbdSettings, ("major", At(ref vbdSettings, ref vbdSettings.Major)), ("minor", At(ref vbdSettings, ref vbdSettings.Minor)), ("type", At(ref vbdSettings, ref vbdSettings.Type)), ("mode", At(ref vbdSettings, ref vbdSettings.Mode)));
        CreateArgument create = default;
        Add("create", create, ("type", At(ref create, ref create.Type)), ("be_id", At(ref create, ref create.Backend)), ("fe_id", At(ref create, ref create.Frontend)), ("cfg", At(ref create, ref create.Settings)), ("devid", At(ref create, ref create.Id)), ("grant", At(ref create, ref create.Grant)), ("evtchn", At(ref create, ref create.Port)));
        DestroyArgument destroy = default;
        Add("destroy", destroy, ("type", At(ref destroy, ref destroy.Type)), ("be_id", At(ref destroy, ref destroy.Backend)), ("fe_id", At(ref destroy, ref destroy.Frontend)), ("devid", At(ref destroy, ref destroy.Id)));
        ListArgument list = default;
        Add("list", list, ("type", At(ref list, ref list.Type)), ("be_id", At(ref list, ref list.Backend)), ("fe_id", At(ref list, ref list.Frontend)), ("devid", At(ref list, ref list.Id)), ("count", At(ref list, ref list.Count)), ("ids", At(ref list, ref list.Ids[0])));
        QueryArgument query = default;
        Add("query", query, ("type", At(ref query, ref query.Type)), ("be_id", At(ref query, ref query.Backend)), ("fe_id", At(ref query, ref query.Frontend)), ("devid", At(ref query, ref query.Id)), ("cfg", At(ref query, ref query.Settings)));
        CloseArgument close = default;
        Add("guest_close", close, ("type", At(ref close, ref close.Request)), ("domid", At(ref close, ref close.Domain)));
        DeviceListKey key = default;
        Add("key", key, ("type", At(ref key, ref key.Type)), ("be_id", At(ref key, ref key.Backend)), ("fe_id", At(ref key, ref key.Frontend)), ("devid", At(ref key, ref key.Id)));
        DeviceListCall call = default;
        Add("devctl", call, ("version", At(ref call, ref call.Version)), ("cmd", At(ref call, ref call.Command)), ("domain", At(ref call, ref call.Domain)), ("u", At(ref call, ref call.Added)), ("u.all.devs", At(ref call, ref call.Entries)));
        foreach (var offset in new[] { At(ref call, ref call.Removed), At(ref call, ref call.Count) }) Assert.Equal(here["devctl.u"], offset);
        here.Add("_create", NoxsCalls.Create);
        here.Add("_destroy", NoxsCalls.Destroy);
        here.Add("_list", NoxsCalls.List);
        here.Add("_query", NoxsCalls.Query);
        here.Add("_guest_close", NoxsCalls.GuestClose);
        return here;
    }

    private static string? FindCompiler() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, "cc")).FirstOrDefault(File.Exists);

    private static SortedDictionary<string, long> RunC(string compiler)
    {
        var folder = Directory.CreateTempSubdirectory("lightvm-noxs-");
        try
        {
            var program = Path.Combine(folder.FullName, "layout");
            File.WriteAllText($"{program}.c", Source);
            Run(compiler, "-o", program, $"{program}.c");
            var lines = Run(program).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            return new SortedDictionary<string, long>(lines.Select(line => line.Split(' ')).ToDictionary(words => words[0], words => long.Parse(words[1])), StringComparer.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return output;
    }
}
