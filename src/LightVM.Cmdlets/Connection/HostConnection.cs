using LightVM.Hosts;

namespace LightVM.Cmdlets.Connection;

/// <summary>A host that is open, and since when.</summary>
internal sealed record OpenHost(LvmHost Host, DateTimeOffset Since);

/// <summary>
/// The one current host. <see cref="Session"/> is the process's: runspaces share it, so that ForEach-Object -Parallel works on
/// the same (simulated) host as the session around it. It is opened on first need and closed when the last runspace lets go.
/// </summary>
internal sealed class HostConnection(Func<LvmHost> openDefault)
{
    private readonly object _lock = new();
    private OpenHost? _open;
    private readonly Dictionary<object, Func<bool>> _holders = [];

    /// <summary>The connection that the cmdlets use.</summary>
    public static HostConnection Session { get; } = new(LvmHost.OpenXen);

    /// <summary>The host in use; null where none is open.</summary>
    public OpenHost? Existing
    {
        get
        {
            lock (_lock) return _open;
        }
    }

    /// <summary>The host in use, or the default one, which is opened now. Errors: those of opening it.</summary>
    public OpenHost Require()
    {
        lock (_lock) return _open ??= new OpenHost(openDefault(), DateTimeOffset.Now);
    }

    /// <summary>Opens a host and makes it the one in use. When opening fails, the one before stays.</summary>
    public OpenHost Open(Func<LvmHost> open)
    {
        lock (_lock)
        {
            var opened = new OpenHost(open(), DateTimeOffset.Now);
            _open?.Host.Dispose();
            return _open = opened;
        }
    }

    /// <summary>Closes the host in use, if there is one.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _open?.Host.Dispose();
            _open = null;
        }
    }

    /// <summary>Somebody may need the host from now on: a runspace that has imported the module.</summary>
    /// <param name="isAlive">Asked later; a runspace can end without removing its modules.</param>
    public void Hold(object holder, Func<bool> isAlive)
    {
        lock (_lock) _holders[holder] = isAlive;
    }

    /// <summary>One of them has no more need of it; the last one closes the host.</summary>
    public void Release(object holder)
    {
        lock (_lock)
        {
            _holders.Remove(holder);
            foreach (var ended in _holders.Where(other => !other.Value()).Select(other => other.Key).ToList()) _holders.Remove(ended);
            if (_holders.Count == 0) Close();
        }
    }
}
