using System.Net;
using System.Net.Sockets;
using LightVM.Errors;

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

    /// <summary>As a refused move is told of; Chaos listens to nobody.</summary>
    protected override Task Answer(Arrival arrival, TlsWelcome answer, CancellationToken cancellation)
    {
        if (answer.Refusal is { } id) DomainReceiver.TryTell(new MoveChannel(arrival.Link), new LvmException(id, answer.Text));
        return Task.CompletedTask;
    }

    private static IPEndPoint Checked(IPEndPoint address, bool insecure)
    {
        if (!insecure) PlainTransport.RequireLoopback(address.Address.ToString(), address.Address);
        return address;
    }
}
