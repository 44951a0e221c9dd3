using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Unit.Configuration;

/// <summary>Random valid configurations that use every field.</summary>
internal static class ConfigGenerators
{
    private const string NameCharacters = "abcXYZ019._+:@-";

    private static readonly Gen<bool> Boolean = Gen.Elements(true, false);

    /// <summary>Text with everything that JSON has to escape, and characters of one to four bytes.</summary>
    private static Gen<string> Text(int most) =>
        from length in Gen.Choose(1, most)
        from pieces in Gen.ArrayOf(Gen.Elements("a", "Z", "0", " ", "/", "\"", "\\", "\n", "\t", "\u0001", "\u007f", "<", "&", "+", "'", "ü", "€", "\u2028", "😀"), length)
        select string.Concat(pieces);

    private static readonly Gen<string> Name =
        from length in Gen.Choose(1, 79)
        from characters in Gen.ArrayOf(Gen.Elements(NameCharacters.ToCharArray()), length)
        select "n" + new string(characters);

    private static readonly Gen<ulong> RateNumber = Gen.OneOf(
        Gen.Choose(1, 9).Select(number => (ulong)number),
        Gen.Choose(1, int.MaxValue).Select(number => (ulong)number),
        Gen.Elements<ulong>(1000, 1_000_000, uint.MaxValue / 8, uint.MaxValue / 1_000_000, uint.MaxValue / 1000, uint.MaxValue - 1, uint.MaxValue));

    /// <summary>Rates with numbers from 1 to the highest: some less than a byte in an interval, some too high.</summary>
    internal static readonly Gen<string> Rate =
        from number in RateNumber
        from unit in Gen.Elements("GB/s", "MB/s", "KB/s", "B/s", "Gb/s", "Mb/s", "Kb/s", "b/s")
        from length in RateNumber
        from interval in Gen.Elements("", "@s", "@ms", "@us")
        select number + unit + (interval.Length == 0 ? "" : $"@{length}{interval[1..]}");

    private static readonly Gen<NetworkConfig> Vif =
        from ip in OrNull(Gen.Elements("10.0.0.2", "192.168.255.254", "fe80::216:3eff:fe00:1", "::1"))
        from bridge in OrNull(Gen.Elements("xenbr0", "br-lan", "abcdefghijklmno", "brücke"))
        from rate in OrNull(Rate.Where(text => RateLimit.TryParse(text, out _, out _)))
        from queues in OrNothing(Gen.Choose(1, 64))
        from trusted in Boolean
        select new NetworkConfig(ip, null, bridge, rate, queues, trusted);

    private static readonly Gen<DiskConfig> Vbd =
        from target in Text(30)
        from type in Gen.Elements(DiskType.Phy, DiskType.File)
        from access in Gen.Elements(DiskAccess.ReadOnly, DiskAccess.ReadWrite)
        select new DiskConfig(target, type, "", access);

    private static readonly Gen<List<NetworkConfig>> Vifs =
        from count in Gen.Choose(0, 16)
        from vifs in Gen.ArrayOf(Vif, count)
        from seed in Gen.Choose(0, 0xffffff)
        from withMac in Gen.ArrayOf(Boolean, count)
        from ids in Gen.Shuffle(Enumerable.Range(0, count + 2).ToArray())
        from withIds in Boolean
        select vifs.Select((vif, i) => vif with { Mac = withMac[i] ? $"0:16:3E:{seed & 0xff:x}:{seed >> 16:X2}:{i:x}" : null, DeviceId = withIds ? ids[i] : null }).ToList();

    private static readonly Gen<List<DiskConfig>> Vbds =
        from count in Gen.Choose(0, 16)
        from vbds in Gen.ArrayOf(Vbd, count)
        from names in Gen.Shuffle(new[] { "xvda", "xvda1", "xvda16", "xvdq", "xvdaa255", "d3p4", "d700p0", "hda", "hdb63", "hdc", "hdd1", "sda", "sdb15", "sdp", "xvdzz", "xvdb" })
        select vbds.Select((vbd, i) => vbd with { VirtualDevice = names[i] }).ToList();

    private static readonly Gen<(int Count, List<IReadOnlyList<int>> Map)> Vcpus =
        from count in Gen.Choose(1, 128)
        from mapped in Gen.Choose(0, Math.Min(count, 8))
        from cpus in Gen.ArrayOf(Gen.NonEmptyListOf(Gen.Choose(0, 255)), mapped)
        select (count, cpus.Select(IReadOnlyList<int> (list) => list.Distinct().ToArray()).ToList());

    private static readonly Gen<LifecycleAction?> Action =
        OrNothing(Gen.Elements(LifecycleAction.Destroy, LifecycleAction.Restart, LifecycleAction.Preserve));

    private static readonly Gen<DomainConfigDraft> Devices =
        from vifs in Vifs
        from vbds in Vbds
        from type in OrNothing(Gen.Elements(GuestType.PV, GuestType.PVH))
        from method in OrNothing(Gen.Elements(DeviceMethod.Xenstore, DeviceMethod.Noxs))
        from narrow in Boolean
        select new DomainConfigDraft { Vifs = vifs, Vbds = vbds, Type = type, DeviceMethod = method, AddressSize = narrow && type != GuestType.PVH ? 32 : 64 };

    internal static readonly Gen<DomainConfig> Config =
        from draft in Devices
        from name in Name
        from kernel in Text(40)
        from ramdisk in OrNull(Text(40))
        from commandLine in OrNull(Text(250))
        from memory in Gen.Choose(1, 16 << 20)
        from growth in OrNothing(Gen.Choose(0, 1 << 20))
        from vcpus in Vcpus
        from flags in Gen.ArrayOf(Boolean, 3)
        from uuid in Gen.ArrayOf(Gen.Choose(0, 255), 16)
        from actions in Gen.ArrayOf(Action, 3)
        select DomainConfig.From(new DomainConfigDraft
        {
            Name = name,
            Kernel = kernel,
            Ramdisk = ramdisk,
            CommandLine = commandLine,
            MemoryMiB = memory,
            MaxMemoryMiB = growth is null ? null : (int)Math.Min(16 << 20, (long)memory + growth.Value),
            VcpuCount = vcpus.Count,
            CpuMap = vcpus.Map,
            AddressSize = draft.AddressSize,
            Paused = flags[0],
            Vifs = draft.Vifs,
            Vbds = draft.Vbds,
            Type = draft.Type,
            DeviceMethod = draft.DeviceMethod,
            Uuid = flags[1] && uuid.Any(part => part != 0) ? new Guid(uuid.Select(part => (byte)part).ToArray()) : null,
            Console = flags[2],
            OnPoweroff = actions[0],
            OnReboot = actions[1],
            OnCrash = actions[2],
        });

    private static Gen<string?> OrNull(Gen<string> some) => Gen.OneOf(some.Select(string? (value) => value), Gen.Constant<string?>(null));

    private static Gen<T?> OrNothing<T>(Gen<T> some)
        where T : struct => Gen.OneOf(some.Select(T? (value) => value), Gen.Constant<T?>(null));
}
