using System.Net.Sockets;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Hosts;

namespace LightVM.Host.Pools;

/// <summary>
/// The socket of Chaos' shell daemon, for clients that know no other: packets that keep their bounds (SOCK_SEQPACKET), each with a
/// configuration in Chaos' JSON, of at most 64 KiB. Each is answered when its domain runs, by an int: 0, or an errno.
/// </summary>
internal sealed class ShellServer(string path, PeerPolicy peers, DaemonLog log, LvmHost host, int maxClients = ShellServer.MaxClients)
    : SocketServer(path, peers, log, "domains", maxClients, SocketType.Seqpacket)
{
    /// <summary>Connections at a time: each makes a domain.</summary>
    public const int MaxClients = 64;

    /// <summary>Bytes of a configuration.</summary>
    public const int MaxMessage = 64 * 1024;

    private const int EIO = 5;
    private const int EMSGSIZE = 90;
    private const int ETIMEDOUT = 110;

    protected override byte[] Refusal(string reason, int errno) => BitConverter.GetBytes(errno);

    protected override async Task Serve(Socket client, CancellationToken cancellation)
    {
        var buffer = new byte[MaxMessage + 1];
        while (true)
        {
            var length = await client.ReceiveAsync(buffer, SocketFlags.None, cancellation);
            if (length == 0) return;
            var errno = length > MaxMessage ? EMSGSIZE : await Task.Run(() => Create(buffer.AsSpan(0, length), cancellation), cancellation);
            await Send(client, BitConverter.GetBytes(errno), cancellation);
        }
    }

    /// <summary>Makes a domain; 0, or why not.</summary>
    internal int Create(ReadOnlySpan<byte> config, CancellationToken cancellation)
    {
        try
        {
            // C's strings may come with their end.
            host.CreateDomain(DomainConfigJson.Parse(config.TrimEnd((byte)0), "request"), cancellation);
            return 0;
        }
        catch (LvmException error)
        {
            Log.Warning($"{Name}: {error.Message}");
            return ErrnoOf(error);
        }
        catch (Exception error)
        {
            Log.Error($"{Name}: {error}");
            return EIO;
        }
    }

    private static int ErrnoOf(LvmException error) => error.Errno ?? error.Kind switch
    {
        ErrorKind.InvalidInput => ErrnoText.EINVAL,
        ErrorKind.NotFound => ErrnoText.ENOENT,
        ErrorKind.Conflict => ErrnoText.EEXIST,
        ErrorKind.PermissionDenied => ErrnoText.EACCES,
        ErrorKind.ResourceExhausted => ErrnoText.ENOMEM,
        ErrorKind.InvalidState => ErrnoText.EBUSY,
        ErrorKind.TimedOut => ETIMEDOUT,
        _ => EIO,
    };
}
