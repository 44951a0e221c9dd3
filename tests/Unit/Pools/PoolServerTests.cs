using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Host.Pools;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Pools;
using LightVM.Simulation;

namespace LightVM.Unit.Pools;

/// <summary>Both sockets of the pool daemon, over a simulated host, and the engine's client at the other end.</summary>
[Collection(ShellShelfTests.Shells)]
public sealed class PoolServerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-unit-").FullName;
    private readonly LvmHost _host = LvmHost.OpenSimulated();
    private readonly PoolKeeper _keeper;
    private readonly List<(SocketServer Server, CancellationTokenSource Stop, Thread Thread)> _servers = [];
    private readonly DaemonLog _log = new(TextWriter.Null);

    public PoolServerTests()
    {
        _keeper = _host.KeepPools(new FilePoolStore(Path.Combine(_folder, "pools")), new PoolKeeperOptions(), _ => { });
        Start(new PoolServer(PoolPath, Me, _log, _keeper, _host, () => new PoolDaemonStatus("0", 1, default, 2, 3, 4, 5)));
        Start(new ShellServer(ShellPath, Me, _log, _host));
    }

    private string PoolPath => Path.Combine(_folder, "poold.sock");

    private string ShellPath => Path.Combine(_folder, "shelld.sock");

    private static PeerPolicy Me => new(uint.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2], null));

    public void Dispose()
    {
        StopAll();
        _keeper.Dispose();
        _host.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_pool_is_begun_changed_and_ended_and_kept_in_a_file()
    {
        using var client = new PoolDaemonClient(PoolPath);
        client.Add(Definition("web"));
        Assert.Equal(ErrorIds.PoolExists, Assert.Throws<LvmException>(() => client.Add(Definition("web"))).ErrorId);
        client.Set(Definition("web") with { Minimum = 2, Maximum = 3, MemoryBudgetMiB = 12 });

        var pool = Assert.Single(client.List());
        Assert.Equal(Definition("web") with { Minimum = 2, Maximum = 3, MemoryBudgetMiB = 12 }, pool.Definition);
        Assert.Equal(pool.Definition, Assert.Single(new FilePoolStore(Path.Combine(_folder, "pools")).Load().Pools));

        client.Remove("web");
        Assert.Empty(client.List());
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, "pools")));
        Assert.Equal(ErrorIds.PoolNotFound, Assert.Throws<LvmException>(() => client.Remove("web")).ErrorId);
        Assert.Equal(ErrorIds.PoolNotFound, Assert.Throws<LvmException>(() => client.Set(Definition("web"))).ErrorId);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{\"name\":\"other\",\"kind\":\"shell\",\"type\":\"pv\",\"memory\":4,\"vcpus\":1,\"bridges\":[],\"minimum\":1,\"maximum\":1}")]
    [InlineData("{\"name\":\"bad\",\"kind\":\"shell\",\"type\":\"pv\",\"memory\":4,\"vcpus\":1,\"bridges\":[],\"minimum\":5,\"maximum\":1}")]
    public void A_file_that_makes_no_sense_is_passed_over_and_told(string text)
    {
        var store = new FilePoolStore(Path.Combine(_folder, "pools"));
        store.Save(Definition("good"));
        File.WriteAllText(Path.Combine(_folder, "pools", "bad.json"), text);

        var (pools, problems) = store.Load();

        Assert.Equal("good", Assert.Single(pools).Name);
        Assert.Contains("bad.json", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_client_that_finds_no_shell_says_so()
    {
        Fill(1);
        using var client = new PoolDaemonClient(PoolPath);

        Assert.Null(client.Take(Request)); // what the simulated host has is not in /run
        Assert.True(client.NoteMiss(Request));
        Assert.False(client.NoteMiss(Request with { IsNoxs = true }));

        Assert.Equal((0, 1), (_keeper.List()[0].Hits, _keeper.List()[0].Misses));
    }

    [Fact]
    public void The_daemon_creates_domains_of_its_shells()
    {
        Fill(1);
        using var client = new PoolDaemonClient(PoolPath);

        var (id, record) = client.Create(Config("web"), TestContext.Current.CancellationToken);

        Assert.Equal(CreationSource.Built, record.Source);
        Assert.Equal("web", _host.GetDomain(id).Name);
        Assert.Equal(ErrorIds.DomainNameTaken, Assert.Throws<LvmException>(() => client.Create(Config("web"), TestContext.Current.CancellationToken)).ErrorId);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_daemon_that_is_stopped_leaves_no_half_of_a_domain(bool isChaos)
    {
        var name = isChaos ? "half-chaos" : "half";
        var activities = DomainCreation.Activities; // there before it is listened to
        using var begun = new ManualResetEventSlim();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source == activities,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStarted = activity =>
            {
                if (activity.OperationName != "create/publish" || activity.Parent?.GetTagItem("lightvm.domain.name") as string != name) return;
                begun.Set();
                _servers[0].Stop.Token.WaitHandle.WaitOne();
                Thread.Sleep(200); // whoever does not wait is gone by now
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var socket = isChaos ? Connect(ShellPath, SocketType.Seqpacket) : Connect(PoolPath, SocketType.Stream);
        socket.Send(isChaos ? DomainConfigJson.Write(Config(name)) : PoolDaemonProtocol.Write(new PoolDaemonRequest.Create(Config(name))));
        Assert.True(begun.Wait(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));

        StopAll();

        Assert.Equal("Domain-0", Assert.Single(_host.ListDomains()).Name);
    }

    [Fact]
    public void Chaos_clients_get_an_int_for_a_packet()
    {
        Fill(1);
        using var socket = Connect(ShellPath, SocketType.Seqpacket);

        Assert.Equal(0, Ask(DomainConfigJson.Write(Config("one"))));
        Assert.Equal(0, _keeper.Counts.Ready);
        Assert.Equal(0, Ask([.. DomainConfigJson.Write(Config("two")), 0]));
        Assert.Equal(17, Ask(DomainConfigJson.Write(Config("two")))); // EEXIST
        Assert.Equal(22, Ask("{}"u8.ToArray())); // EINVAL
        Assert.Equal(22, Ask([0xff, 0xfe]));
        Assert.Equal(90, Ask(new byte[ShellServer.MaxMessage + 1])); // EMSGSIZE
        Assert.Equal(2, Ask(Encoding.UTF8.GetBytes("""{"name":"x","kernel":"/nowhere","cmdline":"","memory":4,"vcpus":1}"""))); // ENOENT

        int Ask(byte[] packet)
        {
            socket.Send(packet);
            var answer = new byte[64];
            Assert.Equal(4, socket.Receive(answer));
            return BitConverter.ToInt32(answer);
        }
    }

    [Fact]
    public void Lines_may_come_in_pieces_and_several_at_once()
    {
        using var socket = Connect(PoolPath, SocketType.Stream);
        var line = PoolDaemonProtocol.Write(new PoolDaemonRequest.Status());
        foreach (var letter in line) socket.Send([letter]);
        var first = ReadLine(socket);
        socket.Send([.. line, .. line]);

        Assert.Equal(first, ReadLine(socket));
        Assert.Equal(first, ReadLine(socket));
    }

    [Fact]
    public void Without_a_daemon_there_are_no_shells_and_the_rest_is_an_error()
    {
        using var client = new PoolDaemonClient(Path.Combine(_folder, "none.sock"));

        Assert.False(client.IsThere);
        Assert.Null(client.Take(Request));
        Assert.False(client.NoteMiss(Request));
        Assert.Equal(ErrorIds.PoolDaemonUnavailable, Assert.Throws<LvmException>(() => client.List()).ErrorId);
    }

    private static ShellRequest Request => ShellRequest.Of(Config("any"));

    private static PoolDefinition Definition(string name) => new() { Name = name, Flavour = PoolFlavour.Of(Config("flavour"), ShellKind.Built) };

    private static DomainConfig Config(string name) => DomainConfig.From(new DomainConfigDraft { Name = name, Kernel = SimulatedKernel.Path, MemoryMiB = 4, VcpuCount = 1 });

    private void Fill(int count)
    {
        _keeper.Add(Definition("web") with { Minimum = count, Maximum = count });
        while (_keeper.Work(TestContext.Current.CancellationToken))
        {
            // One more is made.
        }

        Assert.Equal(count, _keeper.Counts.Ready);
    }

    private void StopAll()
    {
        foreach (var (_, stop, _) in _servers) stop.Cancel();
        foreach (var (server, stop, thread) in _servers)
        {
            thread.Join();
            server.Dispose();
            stop.Dispose();
        }

        _servers.Clear();
    }

    private void Start(SocketServer server)
    {
        var stop = new CancellationTokenSource();
        var thread = new Thread(() =>
        {
            try
            {
                server.Run(stop.Token);
            }
            catch (OperationCanceledException)
            {
            }
        });
        thread.Start();
        _servers.Add((server, stop, thread));
    }

    private static Socket Connect(string path, SocketType type)
    {
        var socket = new Socket(AddressFamily.Unix, type, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static string ReadLine(Socket socket)
    {
        var line = new List<byte>();
        for (var letter = new byte[1]; ; line.Add(letter[0]))
        {
            Assert.NotEqual(0, socket.Receive(letter));
            if (letter[0] == '\n') return Encoding.UTF8.GetString(line.ToArray());
        }
    }
}
