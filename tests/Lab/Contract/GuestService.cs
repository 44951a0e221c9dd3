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
}
