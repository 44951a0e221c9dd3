using System.Net;
using System.Net.Sockets;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>Making TCP connections, and what all of them have.</summary>
internal static class TcpConnection
{
    /// <summary>How long what was sent may stay unacknowledged, or a silent peer unheard of, before a connection counts as lost.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private const int TcpLevel = 6;
    private const int UserTimeout = 18; // TCP_USER_TIMEOUT

    /// <summary>Connects with the first address of a host that answers. Errors: ConnectionRefused, ConnectionFailed, and what <paramref name="check"/> throws.</summary>
    /// <param name="check">Sees the addresses before any of them is tried.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static async Task<Socket> Connect(string host, int port, Action<IPAddress[]>? check, CancellationToken cancellation)
    {
        IPAddress[] addresses;
        try
        {
            addresses = await Dns.GetHostAddressesAsync(host, cancellation);
        }
        catch (Exception error) when (error is SocketException or ArgumentException)
        {
            throw new LvmException(ErrorIds.ConnectionFailed, $"'{host}' is not the name of a host that is known here: {error.Message.TrimEnd('.')}", error);
        }

        check?.Invoke(addresses);
        SocketException? failure = null;
        foreach (var address in addresses)
        {
            try
            {
                return await Connect(new IPEndPoint(address, port), cancellation);
            }
            catch (SocketException error)
            {
                failure = error;
            }
        }

        throw failure is { SocketErrorCode: SocketError.ConnectionRefused }
            ? new LvmException(ErrorIds.ConnectionRefused, $"nobody listens at {Describe(host, port)}", failure)
            : new LvmException(ErrorIds.ConnectionFailed, $"{Describe(host, port)} cannot be reached: {failure?.Message ?? "it has no address"}", failure);
    }

    /// <summary>Small messages go out at once, and a peer that has vanished is noticed.</summary>
    public static void Configure(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 10);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetRawSocketOption(TcpLevel, UserTimeout, BitConverter.GetBytes((int)Patience.TotalMilliseconds));
    }

    /// <summary>Does something that ends by a deadline, by cancellation, or with the task.</summary>
    /// <param name="what">Who did not answer, for the message.</param>
    public static MigrationLink Run(Func<CancellationToken, Task<MigrationLink>> connect, string what, TimeSpan timeout, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(timeout);
        try
        {
            return connect(deadline.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException error)
        {
            throw cancellation.IsCancellationRequested
                ? new LvmException(ErrorIds.OperationCancelled, "it was cancelled", error)
                : new LvmException(ErrorIds.ConnectionTimeout, $"{what} has not answered for {timeout.TotalSeconds:0.#} s", error);
        }
    }

    /// <summary>"b:8517", "[fe80::1]:8517".</summary>
    public static string Describe(string host, int port) => host.Contains(':') ? $"[{host}]:{port}" : $"{host}:{port}";

    private static async Task<Socket> Connect(IPEndPoint address, CancellationToken cancellation)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            Configure(socket);
            await socket.ConnectAsync(address, cancellation);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
