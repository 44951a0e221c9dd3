using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using LightVM.Configuration;
using LightVM.Hosts;

namespace LightVM.Bench;

/// <summary>
/// What goes through an interface whose guest sends back whatever comes to TCP port 7 (src/Native/guests/apps/template.c): how long a byte takes
/// there and back, and how much goes through in both directions at once.
/// </summary>
/// <param name="guest">The guest template.</param>
/// <param name="address">Its address, "192.168.77.90/24": one that this host reaches by the bridge.</param>
internal sealed class VifTraffic(LvmHost host, string guest, string bridge, string address)
{
    private const int EchoPort = 7;
    private const int WarmUp = 50;
    private const int RoundTrips = 200;
    private const int Megabytes = 4;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <param name="name">Part of the names of the figures.</param>
    public void Measure(string name, DeviceMethod method, Results results)
    {
        Results.Progress($"traffic of a guest by {name}");
        var domain = host.CreateDomain(DomainConfig.From(new DomainConfigDraft
        {
            Name = $"traffic-{name}-{Environment.ProcessId}",
            Kernel = guest,
            MemoryMiB = 4,
            VcpuCount = 1,
            CommandLine = $"ip={address}",
            DeviceMethod = method,
            Vifs = [new NetworkConfig(null, null, bridge)],
        }));
        try
        {
            using var socket = Connect();
            for (var i = 0; i < WarmUp; i++) GoAndReturn(socket);
            for (var i = 0; i < RoundTrips; i++) results.Sample($"round-trip-{name}", 0, GoAndReturn(socket));
            results.Figures($"round-trip-{name}", 0);
            PutThrough(socket);
            results.Figure($"throughput-{name}", Megabytes / PutThrough(socket), "MB/s");
        }
        finally
        {
            host.DestroyDomain(domain.Key);
        }
    }

    private Socket Connect()
    {
        for (var begin = Stopwatch.GetTimestamp(); ;)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = (int)Patience.TotalMilliseconds };
            try
            {
                socket.Connect(new IPEndPoint(IPAddress.Parse(address.Split('/')[0]), EchoPort));
                return socket;
            }
            catch (SocketException) when (Stopwatch.GetElapsedTime(begin) < Patience)
            {
                socket.Dispose();
                Thread.Sleep(500);
            }
        }
    }

    /// <summary>Milliseconds.</summary>
    private static double GoAndReturn(Socket socket)
    {
        var letter = "."u8.ToArray();
        var begin = Stopwatch.GetTimestamp();
        socket.Send(letter);
        if (socket.Receive(letter) == 0) throw new InvalidOperationException("the guest has closed the connection");
        return Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
    }

    /// <summary>Seconds.</summary>
    private static double PutThrough(Socket socket)
    {
        var sent = new byte[Megabytes * 1_000_000];
        var received = new byte[64 << 10];
        var begin = Stopwatch.GetTimestamp();
        var sender = Task.Run(() => socket.Send(sent)); // all of it: it is a blocking socket
        for (var count = 0; count < sent.Length;)
        {
            var some = socket.Receive(received);
            count += some > 0 ? some : throw new InvalidOperationException("the guest has closed the connection");
        }

        sender.Wait();
        return Stopwatch.GetElapsedTime(begin).TotalSeconds;
    }
}
