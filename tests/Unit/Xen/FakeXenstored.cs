using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;

namespace LightVM.Unit.Xen;

/// <summary>As much of xenstored as its clients can tell from the real one, for what the real one cannot be made to do.</summary>
internal sealed class FakeXenstored : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-store-").FullName;
    private readonly Dictionary<string, string> _pending = new(StringComparer.Ordinal);
    private uint _nextTransaction = 1;
    private volatile Socket? _client;

    public FakeXenstored()
    {
        Path = System.IO.Path.Combine(_folder, "socket");
        _listener.Bind(new UnixDomainSocketEndPoint(Path));
        _listener.Listen();
        new Thread(Serve) { IsBackground = true }.Start();
    }

    public string Path { get; }

    /// <summary>How often somebody has connected.</summary>
    public int Connections { get; private set; }

    /// <summary>What was committed.</summary>
    public ConcurrentDictionary<string, string> Nodes { get; } = new(StringComparer.Ordinal);

    /// <summary>All requests, "WRITE 1 /path value": type, transaction, payload with its NULs as blanks.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>The error to answer a request with; null for the usual answer.</summary>
    public Func<string, string?> Refuse { get; set; } = _ => null;

    /// <summary>Paths of events to send before the next answer.</summary>
    public ConcurrentQueue<string> Events { get; } = new();

    /// <summary>Bytes to answer the next request with, and nothing else after them.</summary>
    public byte[]? RawAnswer { get; set; }

    /// <summary>Whether to close the connection at the next request.</summary>
    public bool HangUp { get; set; }

    /// <summary>Sends an event out of turn.</summary>
    public void SendEvent(string path) => Send(_client!, 15, 0, path + "\0token\0");

    /// <summary>Closes the connection out of turn.</summary>
    public void Close() => _client!.Shutdown(SocketShutdown.Both);

    public void Dispose()
    {
        _listener.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Serve()
    {
        while (true)
        {
            try
            {
                var client = _listener.Accept();
                _client = client;
                Connections++;
                new Thread(() => TalkToItsEnd(client)) { IsBackground = true }.Start();
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private void TalkToItsEnd(Socket client)
    {
        using (client)
        {
            try
            {
                Talk(client);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The client went.
            }
        }
    }

    private void Talk(Socket client)
    {
        var header = new byte[16];
        while (ReadAll(client, header))
        {
            var type = BinaryPrimitives.ReadUInt32LittleEndian(header);
            var transaction = BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(8));
            var payload = new byte[BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(12))];
            if (!ReadAll(client, payload)) return;
            if (HangUp)
            {
                HangUp = false;
                return;
            }

            if (RawAnswer is { } raw)
            {
                RawAnswer = null;
                client.Send(raw);
                return;
            }

            while (Events.TryDequeue(out var path)) Send(client, 15, 0, path + "\0token\0");
            var text = Encoding.UTF8.GetString(payload).TrimEnd('\0');
            var request = $"{Name(type)} {transaction} {text.Replace('\0', ' ')}".TrimEnd();
            Requests.Enqueue(request);
            if (Refuse(request) is { } error) Send(client, 16, transaction, error + "\0");
            else Answer(client, type, transaction, text);
        }
    }

    private void Answer(Socket client, uint type, uint transaction, string text)
    {
        var parts = text.Split('\0', 2);
        switch (type)
        {
            case 2:
                if (Nodes.TryGetValue(parts[0], out var value)) Send(client, 2, transaction, value);
                else Send(client, 16, transaction, "ENOENT\0");
                return;
            case 6:
                _pending.Clear();
                Send(client, 6, 0, $"{_nextTransaction++}\0");
                return;
            case 7 when text == "T":
                foreach (var (path, written) in _pending) Nodes[path] = written;
                break;
            case 11:
                if (transaction == 0) Nodes[parts[0]] = parts[1];
                else _pending[parts[0]] = parts[1];
                break;
            case 13:
                if (!Nodes.TryRemove(parts[0], out _))
                {
                    Send(client, 16, transaction, "ENOENT\0");
                    return;
                }

                break;
        }

        Send(client, type, transaction, "OK\0");
    }

    private static void Send(Socket client, uint type, uint transaction, string text)
    {
        var payload = Encoding.UTF8.GetBytes(text);
        var message = new byte[16 + payload.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, type);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), transaction);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(12), (uint)payload.Length);
        payload.CopyTo(message, 16);
        client.Send(message);
    }

    private static bool ReadAll(Socket client, byte[] buffer)
    {
        for (var read = 0; read < buffer.Length;)
        {
            var count = client.Receive(buffer.AsSpan(read));
            if (count == 0) return false;
            read += count;
        }

        return true;
    }

    private static string Name(uint type) => type switch
    {
        2 => "READ",
        4 => "WATCH",
        6 => "START",
        7 => "END",
        10 => "PATH",
        11 => "WRITE",
        13 => "RM",
        14 => "PERMS",
        _ => $"TYPE{type}",
    };
}
