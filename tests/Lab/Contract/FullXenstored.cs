using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace LightVM.Lab;

/// <summary>
/// Stands between a program and xenstored, and refuses to write some nodes, as xenstored does to whoever has as many as he may: dom0
/// itself it lets have any number. All else goes through.
/// </summary>
internal sealed class FullXenstored : IDisposable
{
    private const string RealSocket = "/run/xenstored/socket";

    // xen/include/public/io/xs_wire.h
    private const int HeaderSize = 16;
    private const uint Write = 11;
    private const uint WatchEvent = 15;
    private const uint Error = 16;

    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Func<string, bool> _refuses;
    private int _refused;

    /// <param name="refuses">Whether the node of a path is not to be written.</param>
    public FullXenstored(Func<string, bool> refuses)
    {
        _refuses = refuses;
        SocketPath = Path.Combine(Path.GetTempPath(), $"lightvm-full-{Guid.NewGuid():n}");
        _listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _listener.Listen();
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public string SocketPath { get; }

    /// <summary>How many requests it has refused.</summary>
    public int Refused => Volatile.Read(ref _refused);

    public void Dispose()
    {
        _listener.Dispose();
        File.Delete(SocketPath);
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                var client = _listener.Accept();
                new Thread(() => Serve(client)) { IsBackground = true }.Start();
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private void Serve(Socket client)
    {
        using var real = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using (client)
        {
            try
            {
                real.Connect(new UnixDomainSocketEndPoint(RealSocket));
                while (true)
                {
                    var ready = new List<Socket> { client, real };
                    Socket.Select(ready, null, null, -1);
                    if (ready.Contains(real)) client.Send(Receive(real)); // an event
                    else Answer(client, real);
                }
            }
            catch (Exception error) when (error is SocketException or EndOfStreamException)
            {
                // One of them has gone.
            }
        }
    }

    private void Answer(Socket client, Socket real)
    {
        var request = Receive(client);
        if (TypeOf(request) == Write && _refuses(PathIn(request)))
        {
            Interlocked.Increment(ref _refused);
            client.Send(Refusal(request));
            return;
        }

        real.Send(request);
        byte[] answer;
        do
        {
            answer = Receive(real);
            client.Send(answer);
        }
        while (TypeOf(answer) == WatchEvent);
    }

    private static byte[] Refusal(byte[] request)
    {
        var word = "EQUOTA\0"u8;
        var answer = new byte[HeaderSize + word.Length];
        request.AsSpan(0, HeaderSize).CopyTo(answer);
        BinaryPrimitives.WriteUInt32LittleEndian(answer, Error);
        BinaryPrimitives.WriteUInt32LittleEndian(answer.AsSpan(12), (uint)word.Length);
        word.CopyTo(answer.AsSpan(HeaderSize));
        return answer;
    }

    private static uint TypeOf(byte[] message) => BinaryPrimitives.ReadUInt32LittleEndian(message);

    private static string PathIn(byte[] request)
    {
        var payload = request.AsSpan(HeaderSize);
        return Encoding.UTF8.GetString(payload[..payload.IndexOf((byte)0)]);
    }

    private static byte[] Receive(Socket socket)
    {
        var header = new byte[HeaderSize];
        Fill(socket, header);
        var message = new byte[HeaderSize + (int)BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(12))];
        header.CopyTo(message, 0);
        Fill(socket, message.AsSpan(HeaderSize));
        return message;
    }

    private static void Fill(Socket socket, Span<byte> into)
    {
        while (into.Length > 0)
        {
            var count = socket.Receive(into);
            if (count == 0) throw new EndOfStreamException();
            into = into[count..];
        }
    }
}
