using System.Net;
using System.Net.Sockets;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// TCP without anything: nobody knows who is there, and everybody on the way reads and changes the guest's memory. For this machine alone, and
/// for Chaos' own stream; otherwise only for those who say that they know that.
/// </summary>
internal static class PlainTransport
{
    public const string Name = "plain";

    /// <summary>Connects. Errors: InsecureTransportRefused, ConnectionRefused, ConnectionFailed, ConnectionTimeout, OperationCancelled.</summary>
    /// <param name="insecure">Whether other machines than this one may be connected to.</param>
    public static MigrationLink Connect(string address, int port, bool insecure, TimeSpan timeout, CancellationToken cancellation) =>
        TcpConnection.Run(token => Connect(address, port, insecure, token), TcpConnection.Describe(address, port), timeout, cancellation);

    /// <summary>Errors: InsecureTransportRefused.</summary>
    internal static void RequireLoopback(string address, params IPAddress[] addresses)
    {
        if (Array.Exists(addresses, each => !IPAddress.IsLoopback(each)))
            throw new LvmException(ErrorIds.InsecureTransportRefused, $"'{address}' is not this machine alone, and plain TCP neither encrypts nor knows who is there");
    }

    private static async Task<MigrationLink> Connect(string address, int port, bool insecure, CancellationToken cancellation)
    {
        var socket = await TcpConnection.Connect(address, port, addresses =>
        {
            if (!insecure) RequireLoopback(address, addresses);
        }, cancellation);
        return new MigrationLink(new SocketLinkStream(socket, new WaitingStream(socket), TcpConnection.Describe(address, port)), address, Name);
    }
}
