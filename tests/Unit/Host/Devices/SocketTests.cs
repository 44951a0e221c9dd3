using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Services;

namespace LightVM.Unit.Host.Devices;

/// <summary>Both sockets, and the engine's client, with clients of all kinds at the other end.</summary>
public sealed class SocketTests : IDisposable
{
    private static readonly Guid Domain = Guid.Parse("11111111-2222-3333-4444-555555555555");

    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-unit-").FullName;
    private readonly StringWriter _log = new();
    private readonly DaemonLog _daemonLog;
    private readonly FakeHostDevices _host = new();
    private readonly DeviceTable _table = new(TimeProvider.System);
    private readonly DeviceService _service;
    private readonly List<(SocketServer Server, CancellationTokenSource Stop, Thread Thread)> _servers = [];

    public SocketTests()
    {
        _daemonLog = new DaemonLog(TextWriter.Synchronized(_log));
        _service = new DeviceService(_table, _host);
        _host.AddFile("/disks/a.img");
        _host.AddFile("/disks/slow.img");
    }

    private string RequestPath => Path.Combine(_folder, "devd.sock");

    private string ChaosPath => Path.Combine(_folder, "chaos_socket");

    public void Dispose()
    {
        _host.Slowness?.Set();
        StopAll();
        Directory.Delete(_folder, recursive: true);
    }

    // --- requests -----------------------------------------------------------------------------------------------------

    [Fact]
    public void The_client_reserves_and_gets_addresses()
    {
        StartRequests();
        using var client = new DeviceDaemonClient(RequestPath);
        Device[] devices =
        [
            new NetworkDevice(0, new NetworkConfig("10.0.0.2", null, "xenbr0", QueueCount: 2)),
            new DiskDevice(51712, new DiskConfig("/disks/a.img", DiskType.File, "xvda", DiskAccess.ReadWrite)),
            new ConsoleDevice(1, 2),
            new NetworkDevice(1, new NetworkConfig(null, "00:16:3e:00:00:05", null)),
        ];

        var reserved = client.Reserve(Domain, devices);

        Assert.Equal(new NetworkDevice(0, new NetworkConfig("10.0.0.2", MacGenerator.Make(Domain, 0, 0), "xenbr0", QueueCount: 2)), reserved[0]);
        Assert.Equal(devices[1..], reserved.Skip(1));
        Assert.Equal(3, client.TryGetStatus()!.Reservations);

        client.Release(Domain, reserved);
        Assert.Equal(0, client.TryGetStatus()!.Reservations);
    }

    [Theory]
    [InlineData("xenbr9", "/disks/a.img", ErrorIds.BridgeNotFound)]
    [InlineData("xenbr0", "/disks/b.img", ErrorIds.DiskNotFound)]
    [InlineData("xenbr0", "/disks/foreign.img", ErrorIds.DiskInUse)]
    public void What_cannot_be_had_is_an_error_with_its_id(string bridge, string disk, string id)
    {
        _host.ForeignUsers[_host.AddFile("/disks/foreign.img")] = "/dev/loop9 is made of it";
        StartRequests();
        using var client = new DeviceDaemonClient(RequestPath);

        var error = Assert.Throws<LvmException>(() => client.Reserve(Domain,
        [
            new NetworkDevice(0, new NetworkConfig(null, null, bridge)),
            new DiskDevice(51712, new DiskConfig(disk, DiskType.File, "xvda", DiskAccess.ReadWrite)),
        ]));

        Assert.Equal(id, error.ErrorId);
        Assert.Equal(0, _table.Counts.Reservations);
    }

    [Fact]
    public void What_has_no_devices_needs_no_daemon()
    {
        using var client = new DeviceDaemonClient(RequestPath);

        Assert.Empty(client.Reserve(Domain, []));
        client.Release(Domain, []);
    }

    [Fact]
    public void Without_a_daemon_the_client_says_so()
    {
        using var client = new DeviceDaemonClient(RequestPath);

        Assert.Null(client.TryGetStatus());
        Assert.Equal(ErrorIds.DeviceDaemonUnavailable, Assert.Throws<LvmException>(() => client.Reserve(Domain, [new NetworkDevice(0, new NetworkConfig(null, null, null))])).ErrorId);
        client.Release(Domain, [new NetworkDevice(0, new NetworkConfig(null, null, null))]);
    }

    [Fact]
    public void The_client_notices_that_the_daemon_was_restarted()
    {
        using var client = new DeviceDaemonClient(RequestPath);
        StartRequests();
        Assert.NotNull(client.TryGetStatus());

        StopAll();
        StartRequests();
        Assert.NotNull(client.TryGetStatus());

        StopAll();
        Assert.Null(client.TryGetStatus());
    }

    [Fact]
    public void Many_requests_are_answered_in_their_order_whole_or_in_pieces()
    {
        StartRequests();
        using var client = Connect(RequestPath);
        var requests = string.Concat(Enumerable.Range(0, 100).Select(i => $$"""{"version":1,"request":"query-disk","major":7,"minor":{{(i % 2 == 0 ? 3 : 4)}}}""" + "\n"));
        for (var sent = 0; sent < requests.Length; sent += 1000) client.Send(Encoding.UTF8.GetBytes(requests[sent..Math.Min(sent + 1000, requests.Length)]));

        for (var i = 0; i < 100; i++) Assert.Contains(i % 2 == 0 ? "/disks/a.img" : "DiskNotFound", ReadLine(client), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_request_reaches_the_host()
    {
        StartRequests();
        using var client = Connect(RequestPath);

        foreach (var (request, call) in new[]
        {
            ("\"attach-network\",\"interface\":\"vif1.0\",\"bridge\":\"xenbr0\"", "attach vif1.0 xenbr0"),
            ("\"attach-network\",\"interface\":\"vif1.0\"", "attach vif1.0 "),
            ("\"detach-network\",\"interface\":\"vif1.0\"", "detach vif1.0"),
            ("\"detach-disk\",\"major\":7,\"minor\":5", "unbind 5"),
        })
        {
            Send(client, $"{{\"version\":1,\"request\":{request}}}\n");
            Assert.Equal("{\"version\":1,\"ok\":{}}", ReadLine(client));
            Assert.True(_host.Calls.TryDequeue(out var made));
            Assert.Equal(call, made);
        }
    }

    [Fact]
    public void After_a_malformed_line_the_next_one_is_read()
    {
        StartRequests();
        using var client = Connect(RequestPath);

        Send(client, "what?\n\n{\"version\":1,\"request\":\"status\"}\n");

        Assert.Contains("RequestInvalid", ReadLine(client), StringComparison.Ordinal);
        Assert.Contains("RequestInvalid", ReadLine(client), StringComparison.Ordinal);
        Assert.Contains("\"pid\"", ReadLine(client), StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_without_end_is_refused_at_its_limit()
    {
        StartRequests();
        using var client = Connect(RequestPath);

        client.Send(new byte[DaemonProtocol.MaxLine]);

        Assert.Contains("RequestInvalid", ReadLine(client), StringComparison.Ordinal);
        Assert.Equal(0, client.Receive(new byte[1]));
    }

    [Fact]
    public void The_longest_line_is_read()
    {
        StartRequests();
        using var client = Connect(RequestPath);
        const string Request = "{\"version\":1,\"request\":\"status\"}";

        Send(client, new string(' ', DaemonProtocol.MaxLine - Request.Length - 1) + Request + "\n");

        Assert.Contains("\"pid\"", ReadLine(client), StringComparison.Ordinal);
    }

    [Fact]
    public void A_client_that_stalls_in_a_request_is_left_and_delays_nobody()
    {
        StartRequests();
        using var stalled = Connect(RequestPath);
        Send(stalled, "{\"version\":1,");
        using var idle = Connect(RequestPath);

        using var client = new DeviceDaemonClient(RequestPath);
        Assert.Equal(3, client.TryGetStatus()!.Clients);
        Assert.Equal(0, stalled.Receive(new byte[1])); // its five seconds are over
        Send(idle, "{\"version\":1,\"request\":\"status\"}\n"); // who says nothing may stay
        Assert.Contains("\"pid\"", ReadLine(idle), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_that_is_slow_delays_nobody_else()
    {
        _host.Slowness = new ManualResetEventSlim();
        StartRequests();
        using var slow = new DeviceDaemonClient(RequestPath);
        using var quick = new DeviceDaemonClient(RequestPath);
        var waiting = Task.Run(() => slow.Reserve(Domain, [new DiskDevice(51712, new DiskConfig("/disks/slow.img", DiskType.File, "xvda", DiskAccess.ReadWrite))]), TestContext.Current.CancellationToken);

        Assert.Single(quick.Reserve(Guid.NewGuid(), [new DiskDevice(51712, new DiskConfig("/disks/a.img", DiskType.File, "xvda", DiskAccess.ReadWrite))]));
        Assert.False(waiting.IsCompleted);
        _host.Slowness.Set();
        Assert.Single(await waiting);
    }

    [Fact]
    public async Task Fifty_clients_at_once_get_what_they_ask_for_and_no_address_twice()
    {
        StartRequests();

        // Threads of their own: those of the pool are the server's.
        var macs = await Task.WhenAll(Enumerable.Range(0, 50).Select(i => Task.Factory.StartNew(() =>
        {
            using var client = new DeviceDaemonClient(RequestPath);
            return Enumerable.Range(0, 10).Select(j => ((NetworkDevice)client.Reserve(new Guid(i, (short)j, 0, new byte[8]), [new NetworkDevice(0, new NetworkConfig(null, null, "xenbr0"))])[0]).Config.Mac!).ToArray();
        }, TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

        Assert.Equal(500, macs.SelectMany(each => each).Distinct().Count());
        Assert.Equal(500, _table.Counts.Reservations);
    }

    [Fact]
    public void One_client_is_used_by_many_threads()
    {
        StartRequests();
        using var client = new DeviceDaemonClient(RequestPath);

        var macs = new string?[200];
        // Threads of their own: they wait for each other, and those of the pool are the server's.
        var threads = Enumerable.Range(0, 8).Select(first => new Thread(() =>
        {
            for (var i = first; i < macs.Length; i += 8)
                macs[i] = ((NetworkDevice)client.Reserve(new Guid(i, 0, 0, new byte[8]), [new NetworkDevice(0, new NetworkConfig(null, null, null))])[0]).Config.Mac;
        })).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();

        Assert.Equal(Enumerable.Range(0, macs.Length).Select(i => MacGenerator.Make(new Guid(i, 0, 0, new byte[8]), 0, 0)), macs);
    }

    [Fact]
    public void One_client_too_many_is_told()
    {
        StartRequests(maxClients: 2);
        using Socket first = Connect(RequestPath), second = Connect(RequestPath);
        Send(first, "{\"version\":1,\"request\":\"status\"}\n");
        ReadLine(first);
        Send(second, "{\"version\":1,\"request\":\"status\"}\n");
        ReadLine(second);

        using var third = Connect(RequestPath);
        Assert.Contains("2 clients", ReadLine(third), StringComparison.Ordinal);
        Assert.Equal(0, third.Receive(new byte[1]));

        first.Dispose();
        Assert.NotNull(Retry(() =>
        {
            using var client = new DeviceDaemonClient(RequestPath);
            return client.TryGetStatus();
        }));
    }

    [Fact]
    public void A_user_who_may_not_is_told_and_the_log_says_who_it_was()
    {
        StartRequests(peers: new PeerPolicy(User: 4711, Group: 4711));
        StartChaos(peers: new PeerPolicy(User: 4711));
        using var client = Connect(RequestPath);

        Assert.Contains("DeviceDaemonUnavailable", ReadLine(client), StringComparison.Ordinal);
        Assert.Equal(0, client.Receive(new byte[1]));
        Assert.Contains($"process {Environment.ProcessId} of user", _log.ToString(), StringComparison.Ordinal);

        using var chaos = Connect(ChaosPath);
        Assert.Equal((13, 0), ReadResponse(chaos));
    }

    [Fact]
    public void A_member_of_the_group_may()
    {
        var status = File.ReadLines("/proc/self/status").First(line => line.StartsWith("Gid:", StringComparison.Ordinal)).Split('\t');
        StartRequests(peers: new PeerPolicy(User: 4711, Group: uint.Parse(status[2], null)));
        using var client = new DeviceDaemonClient(RequestPath);

        Assert.NotNull(client.TryGetStatus());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite, File.GetUnixFileMode(RequestPath));
    }

    [Fact]
    public void A_socket_that_a_dead_daemon_left_is_replaced()
    {
        File.WriteAllText(RequestPath, "");

        StartRequests();
        using var client = new DeviceDaemonClient(RequestPath);
        Assert.NotNull(client.TryGetStatus());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(RequestPath));
    }

    // --- Chaos' socket ------------------------------------------------------------------------------------------------

    [Fact]
    public void Chaos_asks_and_is_answered()
    {
        StartChaos();

        Assert.Equal("/disks/a.img\0", Encoding.UTF8.GetString(Chaos(Numbers(3, 7, 3), out var errno)));
        Assert.Equal(0, errno);
        Chaos(Numbers(2, 7, 5), out errno);
        Assert.Equal(0, errno);
        Assert.True(_host.Calls.TryDequeue(out var call));
        Assert.Equal("unbind 5", call);
    }

    [Fact]
    public void Chaos_gets_the_numbers_of_a_block_device()
    {
        _host.Disks["/dev/sdx"] = DiskIdentity.OfDevice(8, 0x1234);
        StartChaos();

        var answer = Chaos(Add("phy", "r", "/dev/sdx\0"), out var errno);
        Assert.Equal(0, errno);
        Assert.Equal([8, 0, 0, 0, 0x34, 0x12, 0, 0], answer);
    }

    [Theory]
    [InlineData("file", "w", "/none\0", 2)]
    [InlineData("file", "w", "/disks/a.img", 22)]
    [InlineData("file", "x", "/disks/a.img\0", 22)]
    [InlineData("qcow", "w", "/disks/a.img\0", 22)]
    public void Chaos_errors_are_errnos(string type, string mode, string name, int expected)
    {
        StartChaos();

        Chaos(Add(type, mode, name), out var errno);
        Assert.Equal(expected, errno);
    }

    [Theory]
    [InlineData(-1, 22)]
    [InlineData(int.MaxValue, 90)]
    public void Chaos_clients_that_lie_about_lengths_are_told_at_once(int length, int expected)
    {
        StartChaos();
        var request = Add("file", "w", "/disks/a.img\0");
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(8), length);

        Chaos(request, out var errno);
        Assert.Equal(expected, errno);
    }

    [Fact]
    public void A_chaos_client_that_promises_more_than_it_sends_is_left_and_delays_nobody()
    {
        StartChaos();
        using var liar = Connect(ChaosPath);
        var request = Add("file", "w", "/disks/a.img\0");
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(8), 1000);
        liar.Send(request);

        Chaos(Numbers(3, 7, 3), out var errno);
        Assert.Equal(0, errno);
        Assert.Equal(0, liar.Receive(new byte[1]));
    }

    [Fact]
    public void Noise_ends_no_server()
    {
        StartRequests();
        StartChaos();
        var random = new Random(17);
        for (var i = 0; i < 200; i++)
        {
            var noise = new byte[random.Next(1, 300)];
            random.NextBytes(noise);
            foreach (var path in new[] { RequestPath, ChaosPath })
            {
                using var client = Connect(path);
                client.Send(noise);
                if (i % 2 == 0) client.Shutdown(SocketShutdown.Send);
            }
        }

        using var good = new DeviceDaemonClient(RequestPath);
        Assert.NotNull(good.TryGetStatus());
        Chaos(Numbers(3, 7, 3), out var errno);
        Assert.Equal(0, errno);
        Assert.DoesNotContain("error", _log.ToString(), StringComparison.Ordinal);
    }

    // --- what it takes ----------------------------------------------------------------------------------------------------

    private void StartRequests(PeerPolicy? peers = null, int maxClients = RequestServer.MaxClients)
    {
        RequestServer? server = null;
        server = new RequestServer(RequestPath, peers ?? Me, _daemonLog, _service,
            () => new DeviceDaemonStatus("0", Environment.ProcessId, DateTimeOffset.UnixEpoch, 0, 0, 0, _table.Counts.Reservations, server!.Clients), maxClients);
        Start(server);
    }

    private void StartChaos(PeerPolicy? peers = null) => Start(new ChaosServer(ChaosPath, peers ?? Me, _daemonLog, _service));

    private static PeerPolicy Me => new(uint.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[2], null));

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

    private void StopAll()
    {
        foreach (var (server, stop, thread) in _servers)
        {
            stop.Cancel();
            thread.Join();
            server.Dispose();
            // Its clients have been let go of when it is gone for good.
            Assert.True(SpinWait.SpinUntil(() => server.Clients == 0, TimeSpan.FromSeconds(10)));
            stop.Dispose();
        }

        _servers.Clear();
    }

    private byte[] Chaos(byte[] request, out int errno)
    {
        using var client = Connect(ChaosPath);
        client.Send(request);
        (errno, var length) = ReadResponse(client);
        var payload = new byte[length];
        ReadAll(client, payload);
        Assert.True(HasEnded(client)); // one request a connection
        return payload;
    }

    private static byte[] Add(string type, string mode, string name)
    {
        byte[] payload = [.. Encoding.UTF8.GetBytes(type.PadRight(6, '\0')), .. Encoding.UTF8.GetBytes(mode.PadRight(2, '\0')), .. Encoding.UTF8.GetBytes(name)];
        return [.. Integers(1, 1, payload.Length), .. payload];
    }

    private static byte[] Numbers(int command, int major, int minor) => [.. Integers(command, 1, 16), .. "file\0\0\0\0"u8, .. Integers(major, minor)];

    private static byte[] Integers(params int[] numbers) => numbers.SelectMany(number =>
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return bytes;
    }).ToArray();

    private static (int Errno, int Length) ReadResponse(Socket client)
    {
        var header = new byte[8];
        ReadAll(client, header);
        return (BinaryPrimitives.ReadInt32LittleEndian(header), BinaryPrimitives.ReadInt32LittleEndian(header.AsSpan(4)));
    }

    private static void ReadAll(Socket client, byte[] buffer)
    {
        for (var read = 0; read < buffer.Length;)
        {
            var count = client.Receive(buffer.AsSpan(read));
            Assert.NotEqual(0, count);
            read += count;
        }
    }

    private static bool HasEnded(Socket client)
    {
        try
        {
            return client.Receive(new byte[1]) == 0;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            return true; // it was left with what it had sent unread
        }
    }

    private static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static void Send(Socket client, string text) => client.Send(Encoding.UTF8.GetBytes(text));

    private static string ReadLine(Socket client)
    {
        var line = new List<byte>();
        var letter = new byte[1];
        while (true)
        {
            Assert.NotEqual(0, client.Receive(letter));
            if (letter[0] == '\n') return Encoding.UTF8.GetString(line.ToArray());
            line.Add(letter[0]);
        }
    }

    /// <summary>That a client has left is noticed a little later.</summary>
    private static T? Retry<T>(Func<T?> action)
        where T : class
    {
        T? result = null;
        SpinWait.SpinUntil(() => (result = action()) is not null, TimeSpan.FromSeconds(10));
        return result;
    }
}
