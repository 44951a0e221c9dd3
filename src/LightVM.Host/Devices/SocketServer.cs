using System.Net.Sockets;
using LightVM.Errors;

namespace LightVM.Host.Devices;

/// <summary>
/// A Unix socket with many clients, none of which can delay another: each has a task of its own, limits for what it says and how long it
/// takes to say it, and no more than itself to lose.
/// </summary>
internal abstract class SocketServer : IDaemonTask, IDisposable
{
    /// <summary>How long a message may take that has begun, to or from a client.</summary>
    protected static readonly TimeSpan MessagePatience = TimeSpan.FromSeconds(5);

    /// <summary>How long what was asked for may take to be done or undone at the end: less than systemd waits for any daemon (TimeoutStopSec).</summary>
    internal static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(8);

    private readonly string _path;
    private readonly string _what;
    private readonly PeerPolicy _peers;
    private readonly int _maxClients;
    private readonly Socket _listener;
    private readonly CountdownEvent _talks = new(1); // and the one that lets clients in

    /// <summary>Begins to listen; clients are answered once it runs. Takes the place of a socket that is there: whoever had it is dead.</summary>
    /// <param name="what">What clients ask for, in messages: "devices".</param>
    protected SocketServer(string path, PeerPolicy peers, DaemonLog log, string what, int maxClients, SocketType type = SocketType.Stream)
    {
        _path = path;
        _what = what;
        _peers = peers;
        _maxClients = maxClients;
        Log = log;
        _listener = new Socket(AddressFamily.Unix, type, ProtocolType.Unspecified);
        try
        {
            File.Delete(path);
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            // Nobody has been able to connect yet: that takes Listen.
            if (peers.Group is { } group && SystemCalls.ChangeOwner(path, -1, group) != 0) throw new IOException($"'{path}' cannot be given to group {group}");
            File.SetUnixFileMode(path, Owner | (peers.Group is null ? UnixFileMode.None : UnixFileMode.GroupRead | UnixFileMode.GroupWrite));
            _listener.Listen(maxClients);
        }
        catch (Exception error) when (error is SocketException or IOException or UnauthorizedAccessException)
        {
            _listener.Dispose();
            throw new LvmException(ErrorIds.HostFileFailure, $"there can be no socket at '{path}': {error.Message.TrimEnd('.')}", error);
        }
    }

    public string Name => _path;

    /// <summary>Connections that are open.</summary>
    public int Clients => Math.Max(0, _talks.CurrentCount - 1);

    protected DaemonLog Log { get; }

    private static UnixFileMode Owner => UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Serves clients until it is cancelled, and what they have asked for by then is done or undone.</summary>
    public void Run(CancellationToken cancellation)
    {
        try
        {
            Accept(cancellation).GetAwaiter().GetResult();
        }
        finally
        {
            _talks.Signal();
            if (!_talks.Wait(EndPatience, CancellationToken.None)) Log.Warning($"{_path}: {_talks.CurrentCount} clients are served still, and not waited for");
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        File.Delete(_path);
    }

    /// <summary>Talks with a client until it leaves. Exceptions of sockets, of cancellation and of formats end the talk.</summary>
    protected abstract Task Serve(Socket client, CancellationToken cancellation);

    /// <summary>What is said to a client that is not let in.</summary>
    protected abstract byte[] Refusal(string reason, int errno);

    protected static async Task Send(Socket client, ReadOnlyMemory<byte> message, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(MessagePatience);
        while (message.Length > 0) message = message[await client.SendAsync(message, SocketFlags.None, deadline.Token)..];
    }

    private async Task Accept(CancellationToken cancellation)
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync(cancellation);
            }
            catch (SocketException error) when (error.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable or SocketError.ConnectionAborted)
            {
                Log.Error($"{_path}: a client could not be let in: {error.Message}");
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancellation); // until somebody leaves
                continue;
            }

            _talks.AddCount();
            _ = Welcome(client, cancellation);
        }
    }

    private async Task Welcome(Socket client, CancellationToken cancellation)
    {
        const int EACCES = 13, EAGAIN = 11;
        try
        {
            if (!_peers.Allows(client, out var who))
            {
                Log.Warning($"{_path}: {who} may not ask for {_what}");
                await Send(client, Refusal($"only root may ask for {_what}, and the group that the daemon was told of", EACCES), cancellation);
            }
            else if (Clients > _maxClients)
            {
                Log.Warning($"{_path}: {who} is one client too many");
                await Send(client, Refusal($"there are {_maxClients} clients already", EAGAIN), cancellation);
            }
            else
            {
                await Serve(client, cancellation);
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // It went, it took too long, or the daemon stops: whichever, the talk is over.
        }
        catch (Exception error)
        {
            Log.Error($"{_path}: {error}");
        }
        finally
        {
            client.Dispose();
            _talks.Signal();
        }
    }
}
