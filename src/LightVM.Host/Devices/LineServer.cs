using System.Net.Sockets;
using LightVM.Services;

namespace LightVM.Host.Devices;

/// <summary>A socket on which requests and answers are lines of JSON (<see cref="DaemonProtocol"/>), as many as wanted on a connection.</summary>
internal abstract class LineServer(string path, PeerPolicy peers, DaemonLog log, string what, int maxClients) : SocketServer(path, peers, log, what, maxClients)
{
    /// <summary>Does a request; null where it gets no answer.</summary>
    protected abstract ValueTask<byte[]?> Answer(Socket client, byte[] line, CancellationToken cancellation);

    protected override async Task Serve(Socket client, CancellationToken cancellation)
    {
        var buffer = new byte[4096];
        var filled = 0;
        while (true)
        {
            var end = buffer.AsSpan(0, filled).IndexOf((byte)'\n');
            if (end < 0)
            {
                // A connection may be idle for ever; a line that has begun has its deadline.
                if (filled == 0 && (filled = await client.ReceiveAsync(buffer, SocketFlags.None, cancellation)) == 0) return;
                end = buffer.AsSpan(0, filled).IndexOf((byte)'\n');
            }

            if (end < 0)
            {
                using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                deadline.CancelAfter(MessagePatience);
                for (var searched = filled; end < 0;)
                {
                    if (filled == DaemonProtocol.MaxLine)
                    {
                        await Send(client, DaemonProtocol.WriteError(DaemonProtocol.RequestInvalid, $"a line has at most {DaemonProtocol.MaxLine} bytes"), cancellation);
                        return;
                    }

                    if (filled == buffer.Length) Array.Resize(ref buffer, buffer.Length * 2);
                    var count = await client.ReceiveAsync(buffer.AsMemory(filled), SocketFlags.None, deadline.Token);
                    if (count == 0) return;
                    filled += count;
                    end = buffer.AsSpan(searched, filled - searched).IndexOf((byte)'\n');
                    if (end >= 0) end += searched;
                    searched = filled;
                }
            }

            var line = buffer.AsMemory(0, end).ToArray();
            if (await Answer(client, line, cancellation) is { } answer) await Send(client, answer, cancellation);
            filled -= end + 1;
            buffer.AsSpan(end + 1, filled).CopyTo(buffer);
        }
    }
}
