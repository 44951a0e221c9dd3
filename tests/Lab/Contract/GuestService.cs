using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace LightVM.Lab;

/// <summary>What guests of ours serve over the bridge.</summary>
internal static class GuestService
{
    private const int DaytimePort = 13;
    private const int PatienceMs = 120_000;

    /// <summary>A guest that tells the time (RFC 867), and the right one.</summary>
    public static void AssertTellsTime(string address)
    {
        using var connection = Connect(address, DaytimePort);
        using var reader = new StreamReader(connection.GetStream(), Encoding.ASCII);
        var time = DateTime.ParseExact(reader.ReadToEnd(), "dddd, MMMM d, yyyy HH:mm:ss'-UTC\r\n'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
        Assert.InRange(DateTime.UtcNow - time, TimeSpan.FromMinutes(-1), TimeSpan.FromMinutes(1));
    }

    /// <summary>A connection to a guest, as soon as it takes one.</summary>
    public static TcpClient Connect(string address, int port)
    {
        TcpClient? connection = null;
        SocketException? problem = null;
        GuestTests.AssertEventually(
            () =>
            {
                try
                {
                    connection = new TcpClient(address, port) { ReceiveTimeout = PatienceMs, SendTimeout = PatienceMs };
                }
                catch (SocketException error)
                {
                    problem = error;
                }

                return connection is not null;
            },
            () => $"no connection to {address}:{port}: {problem?.Message}");
        return connection!;
    }

    /// <summary>
    /// A megabyte goes to a guest that sends back what comes, and comes back as it was. On the way, packets at the guest's interface are larger than a wire
    /// takes, those with nothing but an acknowledgement among them, in both directions: nobody has cut them.
    /// </summary>
    public static void AssertEchoesMuch(TcpClient connection, string interfaceName, Action? meanwhile = null)
    {
        const int Wire = 1514;
        var (sent, received) = (new byte[1 << 20], new byte[1 << 20]);
        new Random(1).NextBytes(sent);
        var before = (To: Count("tx"), From: Count("rx"));

        var sending = new Thread(() => connection.GetStream().Write(sent));
        sending.Start();
        connection.GetStream().ReadExactly(received.AsSpan(0, sent.Length / 4));
        meanwhile?.Invoke();
        connection.GetStream().ReadExactly(received.AsSpan(sent.Length / 4));
        sending.Join();

        Assert.Equal(sent, received);
        var after = (To: Count("tx"), From: Count("rx"));
        Assert.InRange((after.To.Bytes - before.To.Bytes) / (after.To.Packets - before.To.Packets), Wire + 1, 65549);
        Assert.InRange((after.From.Bytes - before.From.Bytes) / (after.From.Packets - before.From.Packets), Wire + 1, 65549);

        (long Bytes, long Packets) Count(string direction) => (Read($"{direction}_bytes"), Read($"{direction}_packets"));
        long Read(string counter) => long.Parse(File.ReadAllText($"/sys/class/net/{interfaceName}/statistics/{counter}"), CultureInfo.InvariantCulture);
    }
}
