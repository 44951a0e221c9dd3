using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Services;

namespace LightVM.Pools;

/// <summary>The pool daemon, for those who use pools. It is never waited for long where a domain can be made without it.</summary>
internal sealed class PoolDaemonClient : IPoolService
{
    private const string Daemon = "the pool daemon";

    /// <summary>How long a shell may be waited for: about as long as a whole creation takes on a slow machine.</summary>
    private static readonly TimeSpan TakePatience = TimeSpan.FromSeconds(1);

    /// <summary>How long the daemon may take over a pool: it reads images and destroys shells.</summary>
    private static readonly TimeSpan ChangePatience = TimeSpan.FromMinutes(2);

    /// <summary>How long a daemon is let alone that did not answer.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(2);

    private readonly string _path;
    // Many threads of a process create at once; what one waits for on one connection is never another's shell.
    private readonly DaemonConnection _takes;
    private readonly DaemonConnection _changes;
    private long _restsUntil;

    /// <param name="path">The daemon's socket; null for the usual one.</param>
    /// <param name="takePatience">How long a shell may be waited for; null for as long as is usual.</param>
    public PoolDaemonClient(string? path = null, TimeSpan? takePatience = null)
    {
        _path = path ?? PoolDaemonProtocol.SocketPath;
        _takes = new DaemonConnection(Daemon, _path, ErrorIds.PoolDaemonUnavailable, takePatience ?? TakePatience);
        _changes = new DaemonConnection(Daemon, _path, ErrorIds.PoolDaemonUnavailable, ChangePatience);
    }

    public bool IsThere => Environment.TickCount64 >= Interlocked.Read(ref _restsUntil) && File.Exists(_path);

    public IReadOnlyList<Pool> List() => Ask(_changes, new PoolDaemonRequest.List(), PoolDaemonProtocol.ReadPools);

    public void Add(PoolDefinition pool) => Ask(_changes, new PoolDaemonRequest.Add(pool), _ => true, again: false);

    public void Set(PoolDefinition pool) => Ask(_changes, new PoolDaemonRequest.Set(pool), _ => true);

    public void Remove(string name) => Ask(_changes, new PoolDaemonRequest.Remove(name), _ => true, again: false);

    public ShellRecord? Take(ShellRequest request)
    {
        try
        {
            return Ask(_takes, new PoolDaemonRequest.Take(request), PoolDaemonProtocol.ReadShell);
        }
        catch (LvmException)
        {
            Interlocked.Exchange(ref _restsUntil, Environment.TickCount64 + (long)Rest.TotalMilliseconds);
            return null;
        }
    }

    public void GiveBack(ShellRecord shell, bool isUsed)
    {
        var line = PoolDaemonProtocol.Write(new PoolDaemonRequest.Done(shell.Uuid, isUsed));
        if (!isUsed) _takes.Tell(line);
        // Who has a domain by now does not wait for the daemon, which begins with the next shell when it hears this. Where it is never said,
        // because the process ends before, the connection's end says as much.
        else ThreadPool.UnsafeQueueUserWorkItem(_ => _takes.Tell(line), null);
    }

    public (uint Id, CreationRecord Record) Create(DomainConfig config, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled before the pool daemon was asked");
        return Ask(_changes, new PoolDaemonRequest.Create(config), PoolDaemonProtocol.ReadCreated, again: false);
    }

    /// <summary>How the daemon does. Errors: PoolDaemonUnavailable, ServiceFailure, XenNotPrivileged.</summary>
    public PoolDaemonStatus GetStatus() => Ask(_changes, new PoolDaemonRequest.Status(), PoolDaemonProtocol.ReadStatus);

    public void Dispose()
    {
        _takes.Dispose();
        _changes.Dispose();
    }

    private static T Ask<T>(DaemonConnection connection, PoolDaemonRequest request, Func<System.Text.Json.JsonElement, T> read, bool again = true)
    {
        var line = PoolDaemonProtocol.Write(request);
        if (line.Length > DaemonProtocol.MaxLine) throw new LvmException(ErrorIds.PoolInvalid, $"a request of {line.Length} bytes is too long for the pool daemon ({DaemonProtocol.MaxLine})");
        return connection.Ask(line, answer => PoolDaemonProtocol.ReadAnswer(answer, read), again: again);
    }
}
