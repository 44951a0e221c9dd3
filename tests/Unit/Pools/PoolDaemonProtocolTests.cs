using System.Text;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Pools;
using LightVM.Services;

namespace LightVM.Unit.Pools;

public sealed class PoolDaemonProtocolTests
{
    private static readonly Gen<string> Texts = ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get).Where(text => text.Length < 200 && text == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)));

    private static readonly Gen<string?> OptionalTexts = Gen.OneOf(Gen.Constant<string?>(null), Texts.Select(text => (string?)text));

    private static readonly Gen<PoolFlavour> Flavours =
        from kind in Gen.Elements(Enum.GetValues<ShellKind>())
        from type in Gen.Elements(GuestType.PV, GuestType.PVH)
        from width in Gen.Elements(32, 64)
        from method in Gen.Elements<DeviceMethod?>(null, DeviceMethod.Xenstore, DeviceMethod.Noxs)
        from memory in Gen.Choose(1, int.MaxValue)
        from more in Gen.Elements(0, -1)
        from vcpus in Gen.Choose(1, 128)
        from bridges in OptionalTexts.ListOf()
        from kernel in OptionalTexts
        from words in OptionalTexts
        from image in OptionalTexts
        select new PoolFlavour { Kind = kind, Type = type, AddressSize = width, DeviceMethod = method, MemoryMiB = memory, MaxMemoryMiB = memory + more, VcpuCount = vcpus, Bridges = bridges.ToArray(), Kernel = kernel, CommandLine = words, Image = image };

    private static readonly Gen<ShellRecord> Shells =
        from uuid in ArbMap.Default.GeneratorFor<Guid>()
        from pool in Texts
        from flavour in Flavours
        from state in Gen.Elements(Enum.GetValues<ShellState>())
        from numbers in Gen.Choose(0, int.MaxValue).Four()
        from used in Gen.Choose(0, 255).ListOf()
        from becomes in ArbMap.Default.GeneratorFor<Guid?>()
        select new ShellRecord
        {
            Uuid = uuid,
            Pool = pool,
            Flavour = flavour,
            State = state,
            Id = (uint)numbers.Item1,
            Ports = new GuestPorts((uint)numbers.Item2, (uint)numbers.Item3),
            Rings = new GuestRings((ulong)numbers.Item4, 7),
            Vifs = flavour.Bridges.Select((bridge, place) => new NetworkConfig(null, $"00:16:3e:00:00:{place & 0xff:x2}", bridge)).ToArray(),
            InUse = used.ToArray(),
            Stamp = pool,
            Made = DateTimeOffset.UnixEpoch.AddMilliseconds(numbers.Item1),
            Becomes = becomes,
        };

    [Fact]
    public void A_request_looks_like_this()
    {
        var config = DomainConfig.From(new DomainConfigDraft { Name = "web7", Kernel = "/boot/kernel", CommandLine = "quiet", MemoryMiB = 8, VcpuCount = 1, Vifs = [new NetworkConfig(null, null, "xenbr0")] });

        Assert.Equal(
            """{"version":1,"request":"missed","type":"pv","address_size":64,"memory":8,"max_memory":8,"vcpus":1,"kernel":"/boot/kernel","cmdline":"quiet","console":true,"vifs":1,"vbds":0,"bridges":["xenbr0"]}""" + "\n",
            Encoding.UTF8.GetString(PoolDaemonProtocol.Write(new PoolDaemonRequest.Missed(ShellRequest.Of(config)))));
        Assert.True(((PoolDaemonRequest.Missed)PoolDaemonProtocol.ReadRequest(PoolDaemonProtocol.Write(new PoolDaemonRequest.Missed(ShellRequest.Of(config.With(DeviceMethod.Noxs)))))).Shell.IsNoxs);
    }

    [Fact]
    public void Every_request_is_read_as_it_was_written()
    {
        var numbers = Gen.Choose(0, int.MaxValue);
        var pools = from name in Texts
                    from flavour in Flavours
                    from minimum in numbers
                    from maximum in numbers
                    from budget in ArbMap.Default.GeneratorFor<int?>()
                    select new PoolDefinition { Name = name, Flavour = flavour, Minimum = minimum, Maximum = maximum, MemoryBudgetMiB = budget };
        var missed = from flavour in Flavours
                     from console in ArbMap.Default.GeneratorFor<bool>()
                     from odd in ArbMap.Default.GeneratorFor<bool>()
                     from count in numbers
                     select new ShellRequest
                     {
                         Type = flavour.Type,
                         AddressSize = flavour.AddressSize,
                         IsNoxs = flavour.DeviceMethod == DeviceMethod.Noxs,
                         MemoryMiB = flavour.MemoryMiB,
                         MaxMemoryMiB = flavour.MaxMemoryMiB,
                         VcpuCount = flavour.VcpuCount,
                         Kernel = flavour.Kernel,
                         Ramdisk = flavour.Image,
                         CommandLine = flavour.CommandLine,
                         HasConsole = console,
                         InterfaceCount = flavour.Bridges.Count,
                         DiskCount = count,
                         Bridges = odd ? null : flavour.Bridges,
                     };
        var requests = Gen.OneOf(
            missed.Select(shell => (PoolDaemonRequest)new PoolDaemonRequest.Missed(shell)),
            pools.Select(pool => (PoolDaemonRequest)new PoolDaemonRequest.Add(pool)),
            pools.Select(pool => (PoolDaemonRequest)new PoolDaemonRequest.Set(pool)),
            Texts.Select(name => (PoolDaemonRequest)new PoolDaemonRequest.Remove(name)),
            Gen.Constant((PoolDaemonRequest)new PoolDaemonRequest.List()),
            Gen.Constant((PoolDaemonRequest)new PoolDaemonRequest.Status()),
            Gen.Constant((PoolDaemonRequest)new PoolDaemonRequest.Create(DomainConfig.From(new DomainConfigDraft { Name = "web", Kernel = "/k\u00e4", MemoryMiB = 4, VcpuCount = 2, CpuMap = [[0, 1], [1]] }))));

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(requests.ToArbitrary(), request =>
        {
            var line = PoolDaemonProtocol.Write(request);
            return line.AsSpan().IndexOf((byte)'\n') == line.Length - 1 && PoolDaemonProtocol.Write(PoolDaemonProtocol.ReadRequest(line)).AsSpan().SequenceEqual(line);
        }));
    }

    [Fact]
    public void Every_shell_is_read_as_it_was_written()
    {
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(Shells.ToArbitrary(), shell =>
        {
            var document = Document(shell);
            var read = Read(document);
            return read.Flavour == shell.Flavour && read.Vifs.SequenceEqual(shell.Vifs) && Document(read).AsSpan().SequenceEqual(document);
        }));
    }

    private static byte[] Document(ShellRecord shell) => PoolJson.Document(json => PoolJson.Write(json, shell));

    private static ShellRecord Read(byte[] document)
    {
        using var parsed = DaemonProtocol.Parse(document);
        return parsed.RootElement.ValueKind == System.Text.Json.JsonValueKind.Object ? PoolJson.ReadShell(parsed.RootElement) : throw DaemonProtocol.Invalid("a shell is an object");
    }

    [Fact]
    public void Answers_are_read_as_they_were_written()
    {
        var pool = new Pool
        {
            Definition = new PoolDefinition { Name = "web", Flavour = new PoolFlavour { MemoryMiB = 4, MaxMemoryMiB = 8, Bridges = ["xenbr0", null] }, Minimum = 1, Maximum = 2, MemoryBudgetMiB = 64 },
            ReadyCount = 1,
            MakingCount = 2,
            LentCount = 3,
            TargetCount = 4,
            Hits = 5,
            Misses = 6,
            TakeRate = 1.5,
            RefillRate = 0.25,
            MakeTime = TimeSpan.FromMilliseconds(60),
            OldestTime = new DateTimeOffset(2026, 11, 1, 2, 3, 4, TimeSpan.Zero),
            Problem = "none left",
        };
        Assert.Equal(pool, Assert.Single(PoolDaemonProtocol.ReadAnswer(PoolDaemonProtocol.WritePools([pool]), PoolDaemonProtocol.ReadPools)));

        var status = new PoolDaemonStatus("0.1.0", 42, new DateTimeOffset(2026, 11, 1, 2, 3, 4, TimeSpan.Zero), 1, 2, 3, 4);
        Assert.Equal(status, PoolDaemonProtocol.ReadAnswer(PoolDaemonProtocol.WriteStatus(status), PoolDaemonProtocol.ReadStatus));

        var record = new CreationRecord([new CreationStepTime("start", TimeSpan.FromTicks(7))], TimeSpan.FromTicks(9)) { Source = CreationSource.Built, Pool = "web" };
        var (id, read) = PoolDaemonProtocol.ReadAnswer(PoolDaemonProtocol.WriteCreated(5, record), PoolDaemonProtocol.ReadCreated);
        Assert.Equal((5u, record.Duration, record.Source, record.Pool), (id, read.Duration, read.Source, read.Pool));
        Assert.Equal(record.Steps, read.Steps);
    }

    [Theory]
    [InlineData("{\"version\":2,\"request\":\"status\"}", "VersionUnsupported")]
    [InlineData("{\"version\":1,\"request\":\"dance\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"missed\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"missed\",\"type\":\"hvm\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"create\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"create\",\"config\":7}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"pool-add\",\"name\":\"x\",\"kind\":\"warm\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"pool-add\",\"name\":\"x\",\"kind\":\"shell\",\"type\":\"pv\",\"memory\":1,\"vcpus\":1,\"bridges\":[1]}", "RequestInvalid")]
    public void What_cannot_be_understood_is_refused_with_an_id(string line, string id) =>
        Assert.Equal(id, Assert.Throws<DaemonRefusal>(() => PoolDaemonProtocol.ReadRequest(Encoding.UTF8.GetBytes(line))).Id);

    [Fact]
    public void A_configuration_that_makes_no_sense_is_refused_as_such()
    {
        var error = Assert.ThrowsAny<LvmException>(() => PoolDaemonProtocol.ReadRequest("""{"version":1,"request":"create","config":{"name":"x"}}"""u8.ToArray()));

        Assert.Equal(ErrorIds.ConfigInvalid, error.ErrorId);
    }

    [Fact]
    public void Whatever_comes_is_read_or_refused()
    {
        byte[][] good =
        [
            PoolDaemonProtocol.Write(new PoolDaemonRequest.Add(new PoolDefinition { Name = "web", Flavour = new PoolFlavour { MemoryMiB = 4, MaxMemoryMiB = 8, Bridges = ["xenbr0"] } })),
            PoolDaemonProtocol.Write(new PoolDaemonRequest.Missed(new ShellRequest { MemoryMiB = 4, Kernel = "/k", Bridges = ["a", null] })),
            PoolDaemonProtocol.Write(new PoolDaemonRequest.Create(DomainConfig.From(new DomainConfigDraft { Name = "web", Kernel = "/k", MemoryMiB = 4, VcpuCount = 2 }))),
        ];
        var record = Document(new ShellRecord { Uuid = Guid.NewGuid(), Pool = "web", Flavour = new PoolFlavour { MemoryMiB = 4, MaxMemoryMiB = 8, Bridges = ["xenbr0"] }, Vifs = [new NetworkConfig(null, "00:16:3e:00:00:01", "xenbr0")], InUse = [0] });
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(3000), Prop.ForAll((byte[] noise, ushort place) =>
        {
            AssertReadOrRefused(noise);
            var line = (byte[])good[place % good.Length].Clone();
            for (var i = 0; i < noise.Length; i++) line[(place + i * 7) % line.Length] = noise[i];
            AssertReadOrRefused(line);
            AssertAnswered(line);
            var document = (byte[])record.Clone();
            for (var i = 0; i < noise.Length; i++) document[(place + i * 7) % document.Length] = noise[i];
            AssertShellOrRefused(document);
        }));

        static void AssertShellOrRefused(byte[] document)
        {
            try
            {
                Read(document);
            }
            catch (Exception error) when (error is DaemonRefusal or LvmException)
            {
                // As good an end as any.
            }
        }

        static void AssertReadOrRefused(byte[] line)
        {
            try
            {
                PoolDaemonProtocol.ReadRequest(line);
            }
            catch (Exception error) when (error is DaemonRefusal or LvmException)
            {
                // As good an end as any.
            }
        }

        static void AssertAnswered(byte[] line)
        {
            try
            {
                PoolDaemonProtocol.ReadAnswer(line, PoolDaemonProtocol.ReadPools);
            }
            catch (LvmException)
            {
                // As good an end as any.
            }
        }
    }
}
