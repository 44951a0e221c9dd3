using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Pools;

namespace LightVM.Lab;

/// <summary>
/// <c>lightvm poold</c> for real: its shells become domains of other processes, each once, and nothing is left of those that were being made,
/// kept or used when somebody was killed.
/// </summary>
public sealed class PoolTests(XenContractHost contract, RunningDeviceDaemon daemon) : DeviceTests(contract, daemon), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    private const string Pool = "lab";

    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-pools-").FullName;
    private readonly List<DeviceDaemon> _keepers = [];
    private LvmHost? _user;

    /// <summary>Where the daemon can be made to die, and who uses its shells, as they say themselves.</summary>
    public static TheoryData<string> KeeperPoints() => new(ShellCrashPoints.OfKeeper);

    public static TheoryData<string> UserPoints() => new(ShellCrashPoints.OfUser);

    private static IEnumerable<GuestType> Types => [GuestType.PV, GuestType.PVH];

    /// <summary>A host of this process that asks the daemon.</summary>
    private LvmHost User => _user ??= OpenUser();

    [Fact]
    public void Each_kind_of_each_type_becomes_a_domain()
    {
        Keep();
        foreach (var type in Types.Where(type => type == GuestType.PV || Host.GetInfo().SupportsPvh))
        {
            var image = Path.Combine(_folder, $"{type}.lightvm");
            var saved = CreateTiny("saved", draft => draft.Type = type);
            AwaitRunning(saved.Key);
            Host.Images.Save(saved.Key, image, cancellation: Cancellation);
            foreach (var kind in Enum.GetValues<ShellKind>())
            {
                User.Pools.Add(Definition(kind == ShellKind.Snapshot ? PoolFlavour.OfImage(image) : PoolFlavour.Of(Tiny("flavour", draft => draft.Type = type), kind), 2));
                AwaitReady(2);

                var domain = User.CreateDomain(Tiny("used", draft => draft.Type = type), Cancellation);

                Assert.Equal((kind.ToString(), Pool), (domain.Creation!.Source.ToString(), domain.Creation.Pool));
                AwaitRunning(domain.Key);
                Assert.Equal("dev-used", Dom0.Output("xl", "domname", $"{domain.Id}").Trim());
                Host.DestroyDomain(domain.Key);
                User.Pools.Remove(Pool);
            }
        }
    }

    [Fact]
    public void Interfaces_wait_on_their_bridge_and_get_the_address_that_is_asked_for()
    {
        Keep();
        User.Pools.Add(Definition(PoolFlavour.Of(Tiny("flavour", draft => draft.Vifs = [Vif()]), ShellKind.Built), 2));
        AwaitReady(2);
        var image = Image("pool.img");

        var domain = User.CreateDomain(Tiny("net", draft => (draft.Vifs, draft.Vbds) = ([Vif() with { Mac = "00:16:3e:00:77:01", Ip = "10.0.0.77" }], [FileDisk(image)])), Cancellation);

        Assert.Equal(CreationSource.Built, domain.Creation!.Source);
        var adapter = Assert.Single(Host.Devices.ListNetworkAdapters(domain));
        Assert.Equal(("00:16:3e:00:77:01", Bridge), (adapter.MacAddress, adapter.Bridge));
        Assert.Equal("00:16:3e:00:77:01", Dom0.Output("xenstore-read", $"/local/domain/{domain.Id}/device/vif/0/mac").Trim());
        Assert.True(Directory.Exists($"/sys/class/net/{Bridge}/brif/vif{domain.Id}.0"));
        Assert.Single(Host.Devices.ListDisks(domain));
        var taken = Assert.Throws<LvmException>(() => CreateTiny("twin", draft => draft.Vifs = [Vif() with { Mac = "00:16:3e:00:77:01", Rate = "1Mb/s" }]));
        Assert.Equal(ErrorIds.MacAddressTaken, taken.ErrorId);
    }

    [Fact]
    public void Twenty_clients_at_once_get_each_shell_once()
    {
        Keep();
        User.Pools.Add(Definition(PoolFlavour.Of(Tiny("flavour"), ShellKind.Built), 12));
        AwaitReady(12);
        var domains = new ConcurrentBag<Domain>();
        var clients = Enumerable.Range(0, 20).Select(_ => OpenUser()).ToArray();
        var threads = clients.Select((client, number) => new Thread(() => domains.Add(client.CreateDomain(Tiny($"many{number}"), Cancellation)))).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        foreach (var client in clients) client.Dispose();

        Assert.Equal(20, domains.Select(domain => domain.Key).Distinct().Count());
        Assert.True(domains.Count(domain => domain.Creation!.Source == CreationSource.Built) >= 12);
        foreach (var domain in domains) AwaitRunning(domain.Key);
        Assert.Equal(domains.Count(domain => domain.Creation!.Pool == Pool), User.Pools.Get(Pool).Hits);
    }

    [Fact]
    public void A_daemon_that_is_killed_has_its_shells_taken_over_by_the_next()
    {
        Keep();
        User.Pools.Add(Definition(PoolFlavour.Of(Tiny("flavour"), ShellKind.Shell), 3));
        AwaitReady(3);
        var before = Shells();
        _keepers[^1].Kill();
        var without = User.CreateDomain(Tiny("without"), Cancellation); // shells wait without a daemon, too
        Assert.Equal(CreationSource.Shell, without.Creation!.Source);
        Assert.Contains(without.Uuid, before);

        Keep();
        AwaitReady(3);

        Assert.Equal(2, before.Intersect(Shells()).Count());
        var domain = OpenUser().CreateDomain(Tiny("after"), Cancellation);
        Assert.Equal(CreationSource.Shell, domain.Creation!.Source);
        Assert.Contains(domain.Uuid, before);
        AwaitRunning(domain.Key);
        AwaitRunning(without.Key);
    }

    [Fact]
    public void Chaos_clients_are_served()
    {
        Keep();
        User.Pools.Add(Definition(PoolFlavour.Of(Tiny("flavour"), ShellKind.Built), 1));
        AwaitReady(1);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Seqpacket, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(Linux.RunFolder.Path, PoolDaemonProtocol.ChaosSocketName)));
        socket.Send(DomainConfigJson.Write(Tiny("chaos")));
        var answer = new byte[16];

        Assert.Equal(4, socket.Receive(answer));
        Assert.Equal(0, BitConverter.ToInt32(answer));
        AwaitRunning(Host.GetDomain("dev-chaos").Key);
        Assert.Equal(1, User.Pools.Get(Pool).Hits);
    }

    [Theory]
    [MemberData(nameof(KeeperPoints))]
    public void A_daemon_that_dies_leaves_what_the_next_one_finishes(string point)
    {
        Keep();
        User.Pools.Add(Definition(PoolFlavour.Of(Tiny("flavour", draft => draft.Vifs = [Vif()]), ShellKind.Built), 2));
        AwaitReady(2);
        _keepers[^1].Kill();
        // A client that had just claimed one died at the same time.
        if (point is ShellCrashPoints.Found or ShellCrashPoints.Destroying) Assert.True(Contract.Directory.Shells.TryClaim(FindShell().Uuid));
        if (point is ShellCrashPoints.Noted or ShellCrashPoints.HasDomain or ShellCrashPoints.Made or ShellCrashPoints.Ready) Host.DestroyDomain(new DomainKey(FindShell().Id, FindShell().Uuid));

        var dying = Remember(DeviceDaemon.StartToCrash("poold", Environment(), point));
        if (point == ShellCrashPoints.Lent)
        {
            using var user = OpenUser();
            Assert.Equal(CreationSource.Built, user.CreateDomain(Tiny("lent", draft => draft.Vifs = [Vif()]), Cancellation).Creation!.Source);
        }

        dying.AwaitDeath();
        Keep();
        AwaitReady(2);
        using var next = OpenUser();
        Assert.Equal(CreationSource.Built, next.CreateDomain(Tiny("next", draft => draft.Vifs = [Vif()]), Cancellation).Creation!.Source);
    }

    [Theory]
    [MemberData(nameof(UserPoints))]
    public void A_client_that_dies_leaves_nothing_that_is_half(string point)
    {
        Keep();
        User.Pools.Add(Definition(PoolFlavour.Of(Tiny("flavour", draft => draft.Vifs = [Vif()]), ShellKind.Built), 2));
        AwaitReady(2);

        RunUser("dies", point);

        // What is committed is somebody's, and runs.
        GuestTests.AssertEventually(() => Contract.Directory.Shells.List().All(shell => shell.State != ShellState.Claimed), () => _keepers[^1].Log);
        AwaitReady(2);
        var left = Host.ListDomains().Where(domain => domain.Name == "dev-dies" && domain.State != DomainState.Dying).ToArray();
        Assert.Equal(point == ShellCrashPoints.Committed ? 1 : 0, left.Length);
        Assert.All(left, domain => AwaitRunning(domain.Key));
    }

    private static DomainConfig Tiny(string name, Action<DomainConfigDraft>? change = null)
    {
        var draft = new DomainConfigDraft { Name = $"dev-{name}", Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, OnPoweroff = LifecycleAction.Preserve };
        change?.Invoke(draft);
        return DomainConfig.From(draft);
    }

    private static PoolDefinition Definition(PoolFlavour flavour, int count) => new() { Name = Pool, Flavour = flavour, Minimum = count, Maximum = count };

    private Dictionary<string, string> Environment() => new() { [FilePoolStore.FolderVariable] = _folder };

    private void Keep()
    {
        var isFirst = _keepers.Count == 0;
        Remember(DeviceDaemon.StartOther("poold", Environment()));
        if (!isFirst) return;
        AtEnd(() =>
        {
            using (var last = OpenUser())
            {
                foreach (var pool in last.Pools.List()) last.Pools.Remove(pool.Name);
            }

            _user?.Dispose();
            foreach (var keeper in _keepers)
            {
                if (!keeper.HasEnded) Assert.Equal(0, keeper.Stop()); // what it is just making is undone
                keeper.Dispose();
            }

            foreach (var name in (string[])[PoolDaemonProtocol.SocketName, PoolDaemonProtocol.ChaosSocketName]) File.Delete(Path.Combine(Linux.RunFolder.Path, name));
            Directory.Delete(_folder, recursive: true);
        });
    }

    private DeviceDaemon Remember(DeviceDaemon keeper)
    {
        _keepers.Add(keeper);
        return keeper;
    }

    private static LvmHost OpenUser() => LvmHost.OpenXen();

    /// <summary>A process that makes a domain of a shell, and dies at a point of that.</summary>
    private void RunUser(string name, string point)
    {
        var config = Path.Combine(_folder, $"{name}.conf");
        File.WriteAllBytes(config, DomainConfigJson.Write(Tiny(name, draft => draft.Vifs = [Vif()])));
        var start = new ProcessStartInfo(Dom0.Lightvm, ["create", config]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["LIGHTVM_CRASH_AT"] = point;
        using var process = Process.Start(start)!;
        process.WaitForExit();
        Assert.True(process.ExitCode == 128 + 9, process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd());
    }

    private Domain FindShell() => Host.ListDomains(includeShells: true).First(domain => domain.IsShell);

    private Guid[] Shells() => Host.ListDomains(includeShells: true).Where(domain => domain.IsShell).Select(domain => domain.Uuid).Order().ToArray();

    private void AwaitReady(int count)
    {
        using var user = OpenUser();
        GuestTests.AssertEventually(() => user.Pools.Get(Pool) is var pool && pool.ReadyCount >= count && pool.MakingCount == 0, () => $"{user.Pools.Get(Pool)}\n{_keepers[^1].Log}");
    }

    private void AwaitRunning(DomainKey key) =>
        GuestTests.AssertEventually(() => Host.GetDomain(key).State == DomainState.Blocked, () => $"domain {key} is {Host.GetDomain(key).State}");
}
