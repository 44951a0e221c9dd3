using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Services;

namespace LightVM.Pools;

/// <summary>
/// Pools for those who use them. Shells are taken from where they wait, whether or not the daemon runs that made them; all else the daemon
/// is asked for, which is never waited for long where a domain can be made without it.
/// </summary>
internal sealed class PoolDaemonClient : IPoolService
{
    private const string Daemon = "the pool daemon";

    /// <summary>How long the daemon may take to hear that it had no shell: about as long as a whole creation takes on a slow machine.</summary>
    private static readonly TimeSpan MissPatience = TimeSpan.FromSeconds(1);

    /// <summary>How long the daemon may take over a pool: it reads images and destroys shells.</summary>
    private static readonly TimeSpan ChangePatience = TimeSpan.FromMinutes(2);

    /// <summary>How long a daemon is let alone that did not answer.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(2);

    private readonly string _path;
    private readonly ShellShelf _shelf = new();
    private readonly DaemonConnection _misses;
    private readonly DaemonConnection _changes;
    private long _restsUntil;

    /// <param name="path">The daemon's socket; null for the usual one.</param>
    public PoolDaemonClient(string? path = null)
    {
        _path = path ?? PoolDaemonProtocol.SocketPath;
        _misses = new DaemonConnection(Daemon, _path, ErrorIds.PoolDaemonUnavailable, MissPatience);
        _changes = new DaemonConnection(Daemon, _path, ErrorIds.PoolDaemonUnavailable, ChangePatience);
    }

    public bool IsThere => _shelf.IsThere || IsDaemonThere;

    private bool IsDaemonThere => Environment.TickCount64 >= Interlocked.Read(ref _restsUntil) && File.Exists(_path);

    public IReadOnlyList<Pool> List() => Ask(_changes, new PoolDaemonRequest.List(), PoolDaemonProtocol.ReadPools);

    public void Add(PoolDefinition pool) => Ask(_changes, new PoolDaemonRequest.Add(pool), _ => true, again: false);

    public void Set(PoolDefinition pool) => Ask(_changes, new PoolDaemonRequest.Set(pool), _ => true);

    public void Remove(string name) => Ask(_changes, new PoolDaemonRequest.Remove(name), _ => true, again: false);

    public ShellRecord? Take(ShellRequest request)
    {
        try
        {
            return _shelf.Take(request);
        }
        catch (LvmException)
        {
            return null;
        }
    }

    public bool NoteMiss(ShellRequest request)
    {
        try
        {
            return IsDaemonThere && Ask(_misses, new PoolDaemonRequest.Missed(request), PoolDaemonProtocol.ReadMissed);
        }
        catch (LvmException)
        {
            Interlocked.Exchange(ref _restsUntil, Environment.TickCount64 + (long)Rest.TotalMilliseconds);
            return false;
        }
    }

    public void GiveBack(ShellRecord shell, bool isUsed)
    {
        // The daemon sees by itself what becomes of a shell that was claimed.
        if (!isUsed) _shelf.PutBack(shell);
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
        _shelf.Dispose();
        _misses.Dispose();
        _changes.Dispose();
    }

    private static T Ask<T>(DaemonConnection connection, PoolDaemonRequest request, Func<System.Text.Json.JsonElement, T> read, bool again = true)
    {
        var line = PoolDaemonProtocol.Write(request);
        if (line.Length > DaemonProtocol.MaxLine) throw new LvmException(ErrorIds.PoolInvalid, $"a request of {line.Length} bytes is too long for the pool daemon ({DaemonProtocol.MaxLine})");
        return connection.Ask(line, answer => PoolDaemonProtocol.ReadAnswer(answer, read), again: again);
    }
}
