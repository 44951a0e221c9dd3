using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// Listens for hosts that want to send domains. Each connection has a task until it has said who it is, and then a thread; a peer that
/// stalls, floods or lies loses its own connection.
/// </summary>
internal abstract class LinkListener : IDisposable
{
    private readonly Socket _listener;
    private readonly ListenerLimits _limits;
    private readonly Action<string> _log;
    private readonly LinkedList<Stranger> _strangers = [];
    private readonly Dictionary<string, int> _peers = [];
    private readonly List<Task> _serving = [];

    /// <summary>Begins to listen; connections are answered once it runs. Errors: ListenerFailed.</summary>
    /// <param name="log">Told of everyone who was not let in, a sentence each, from any thread.</param>
    protected LinkListener(IPEndPoint address, ListenerLimits limits, Action<string> log)
    {
        _limits = limits;
        _log = log;
        _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // Also IPv4 where all of IPv6 is meant.
            if (address.Address.Equals(IPAddress.IPv6Any)) _listener.DualMode = true;
            _listener.Bind(address);
            _listener.Listen(128);
        }
        catch (SocketException error)
        {
            _listener.Dispose();
            throw new LvmException(ErrorIds.ListenerFailed, $"nobody can listen at {address}: {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>Where it listens; the port as the system chose it where 0 was asked for.</summary>
    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndPoint!;

    /// <summary>
    /// Serves until it is cancelled, and returns when all who were let in have been served. Each of them is served by a thread of its own; the
    /// link is disposed when that is done, and the token is the one given here.
    /// </summary>
    public void Run(Action<MigrationLink, CancellationToken> serve, CancellationToken cancellation)
    {
        try
        {
            Accept(serve, cancellation).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            // That is how it ends.
        }

        Task[] serving;
        lock (_serving) serving = [.. _serving];
        Task.WaitAll(serving, CancellationToken.None);
    }

    public virtual void Dispose()
    {
        _listener.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Finds out who is there. Exceptions of sockets, TLS, cancellation and of this host's own trust end the connection, and are logged.</summary>
    protected abstract Task<Arrival> Identify(Socket socket, CancellationToken cancellation);

    /// <summary>Tells the peer whether it is let in, where the transport has words for that.</summary>
    protected virtual Task Answer(Arrival arrival, TlsWelcome answer, CancellationToken cancellation) => Task.CompletedTask;

    private async Task Accept(Action<MigrationLink, CancellationToken> serve, CancellationToken cancellation)
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(cancellation);
            }
            catch (SocketException error)
            {
                _log($"a connection could not be taken: {error.Message}");
                await Task.Delay(TimeSpan.FromMilliseconds(100), cancellation); // until somebody leaves
                continue;
            }

            // In the order in which they come, for the oldest are the first to go.
            var stranger = Enter(cancellation);
            Track(Task.Run(() => Welcome(socket, stranger, serve, cancellation), CancellationToken.None));
        }
    }

    private void Track(Task task)
    {
        lock (_serving) _serving.Add(task);
        task.ContinueWith(
            done =>
            {
                lock (_serving) _serving.Remove(done);
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private async Task Welcome(Socket socket, Stranger stranger, Action<MigrationLink, CancellationToken> serve, CancellationToken cancellation)
    {
        var address = Describe(socket);
        if (await LetIn(socket, address, stranger, cancellation) is not { } link)
        {
            socket.Dispose();
            return;
        }

        try
        {
            await Task.Factory.StartNew(() => Serve(link, address, serve, cancellation), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        finally
        {
            Leave(link.PeerName);
        }
    }

    private void Serve(MigrationLink link, string address, Action<MigrationLink, CancellationToken> serve, CancellationToken cancellation)
    {
        try
        {
            serve(link, cancellation);
        }
        catch (Exception error)
        {
            _log($"{address} ('{link.PeerName}'): {(error is LvmException ? error.Message : error)}");
        }
        finally
        {
            link.Dispose();
        }
    }

    /// <summary>The link to a peer, which is counted from now on; null for somebody who is not let in.</summary>
    private async Task<MigrationLink?> LetIn(Socket socket, string address, Stranger stranger, CancellationToken cancellation)
    {
        MigrationLink? link = null;
        try
        {
            TcpConnection.Configure(socket);
            var arrival = await Identify(socket, stranger.Patience);
            var answer = arrival.Refusal ?? Enter(arrival.Link.PeerName);
            if (answer.Refusal is null) link = arrival.Link;
            else Refuse(address, answer.Text);
            await Answer(arrival, answer, stranger.Patience);
            if (link is null) arrival.Link.Dispose();
            return link;
        }
        catch (Exception error)
        {
            if (link is not null) Leave(link.PeerName);
            link?.Dispose();
            if (!cancellation.IsCancellationRequested) Refuse(address, WhyNot(error, stranger));
            return null;
        }
        finally
        {
            Leave(stranger);
        }
    }

    private void Refuse(string address, string why) => _log($"{address} is not let in: {why}");

    private string WhyNot(Exception error, Stranger stranger) => error switch
    {
        OperationCanceledException when stranger.HadToGo => "others came while it did not say who it is",
        OperationCanceledException => $"it has not said who it is for {_limits.HandshakeTime.TotalSeconds:0.#} s",
        // Of this host: its key is gone, or the list of peers cannot be read.
        LvmException => error.Message,
        IOException or SocketException or AuthenticationException or ObjectDisposedException => TlsTransport.Reason(error),
        _ => error.ToString(),
    };

    /// <summary>Counts one more connection of a peer; otherwise says why there is no room for it.</summary>
    private TlsWelcome Enter(string peer)
    {
        lock (_peers)
        {
            var own = _peers.GetValueOrDefault(peer);
            if (own >= _limits.ConnectionsOfPeer) return new TlsWelcome(ErrorIds.PeerBusy, $"'{peer}' has {own} connections already");
            var all = _peers.Values.Sum();
            if (all >= _limits.Connections) return new TlsWelcome(ErrorIds.PeerBusy, $"there are {all} connections already");
            _peers[peer] = own + 1;
            return TlsWelcome.In;
        }
    }

    private void Leave(string peer)
    {
        lock (_peers)
        {
            if (--_peers[peer] == 0) _peers.Remove(peer);
        }
    }

    private Stranger Enter(CancellationToken cancellation)
    {
        var stranger = new Stranger(_limits.HandshakeTime, cancellation);
        lock (_strangers)
        {
            if (_strangers.Count >= _limits.Handshakes)
            {
                _strangers.First!.Value.Go();
                _strangers.RemoveFirst();
            }

            _strangers.AddLast(stranger);
        }

        return stranger;
    }

    private void Leave(Stranger stranger)
    {
        // Under the lock, so that nobody asks it to go afterwards.
        lock (_strangers)
        {
            _strangers.Remove(stranger);
            stranger.Dispose();
        }
    }

    private static string Describe(Socket socket)
    {
        try
        {
            return $"{socket.RemoteEndPoint}";
        }
        catch (SocketException)
        {
            return "somebody who has left";
        }
    }

    /// <summary>Who has said who it is.</summary>
    /// <param name="Refusal">Why it is not let in; null where nothing speaks against it.</param>
    protected sealed record Arrival(MigrationLink Link, TlsWelcome? Refusal);

    /// <summary>Who has not said yet who it is, and for how long it may not.</summary>
    private sealed class Stranger : IDisposable
    {
        private readonly CancellationTokenSource _patience;

        public Stranger(TimeSpan time, CancellationToken cancellation)
        {
            _patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            _patience.CancelAfter(time);
            Patience = _patience.Token;
        }

        public CancellationToken Patience { get; }

        /// <summary>Whether others needed its place.</summary>
        public bool HadToGo { get; private set; }

        public void Go()
        {
            HadToGo = true;
            // Not here and now: whoever waits for it goes on where this is called.
            _ = _patience.CancelAsync();
        }

        public void Dispose() => _patience.Dispose();
    }
}
