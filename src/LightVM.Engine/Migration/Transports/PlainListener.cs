using System.Net;
using System.Net.Sockets;

namespace LightVM.Migration;

/// <summary>The other side of <see cref="PlainTransport"/>: a peer is called by its address.</summary>
internal sealed class PlainListener : LinkListener
{
    /// <summary>Begins to listen. Errors: InsecureTransportRefused, ListenerFailed.</summary>
    /// <param name="insecure">Whether other machines than this one may connect.</param>
    public PlainListener(IPEndPoint address, bool insecure, ListenerLimits limits, Action<string> log)
        : base(Checked(address, insecure), limits, log)
    {
    }

    protected override Task<Arrival> Identify(Socket socket, CancellationToken cancellation)
    {
        var address = (IPEndPoint)socket.RemoteEndPoint!;
        var peer = (address.Address.IsIPv4MappedToIPv6 ? address.Address.MapToIPv4() : address.Address).ToString();
        var stream = new SocketLinkStream(socket, new WaitingStream(socket), peer);
        return Task.FromResult(new Arrival(new MigrationLink(stream, peer, PlainTransport.Name), Refusal: null));
    }

    private static IPEndPoint Checked(IPEndPoint address, bool insecure)
    {
        if (!insecure) PlainTransport.RequireLoopback(address.Address.ToString(), address.Address);
        return address;
    }
}
