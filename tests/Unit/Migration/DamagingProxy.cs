using System.Net;
using System.Net.Sockets;

namespace LightVM.Unit.Migration;

/// <summary>A wire between a client and a server that changes one byte on its way, and can be cut.</summary>
internal sealed class DamagingProxy : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Socket _server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly int _at;
    private readonly byte _change;
    private Socket? _client;
    private int _passed;

    /// <param name="at">Which of the bytes, counted in both directions.</param>
    /// <param name="change">What is changed in it.</param>
    public DamagingProxy(int port, int at, byte change)
    {
        _at = at;
        _change = change;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        new Thread(() =>
        {
            try
            {
                _client = _listener.Accept();
                _server.Connect(new IPEndPoint(IPAddress.Loopback, port));
                new Thread(() => Carry(_client, _server)).Start();
                Carry(_server, _client);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // Cut before it was used.
            }
        }).Start();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>All bytes that have gone through, in both directions.</summary>
    public int Passed => Volatile.Read(ref _passed);

    /// <summary>As if the cable were pulled and each side had noticed.</summary>
    public void Cut()
    {
        _client!.Close(0);
        _server.Close(0);
    }

    public void Dispose()
    {
        _listener.Dispose();
        _client?.Dispose();
        _server.Dispose();
    }

    private void Carry(Socket from, Socket to)
    {
        var buffer = new byte[16 << 10];
        try
        {
            for (int count; (count = from.Receive(buffer)) > 0;)
            {
                var first = Interlocked.Add(ref _passed, count) - count;
                if (_at >= first && _at < first + count) buffer[_at - first] ^= _change;
                for (var sent = 0; sent < count;) sent += to.Send(buffer.AsSpan(sent, count - sent));
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // One side has left.
        }
    }
}
