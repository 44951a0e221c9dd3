using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Pools;

namespace LightVM.Hosts;

/// <summary>
/// Domains that were made before they were asked for. Where shells wait, <see cref="LvmHost.CreateDomain"/> uses one by
/// itself that fits (<see cref="Domain.Creation"/> says so), and creates in full where none does.
/// </summary>
public sealed class HostPools
{
    private readonly HostContext _host;
    private readonly IPoolService _service;

    internal HostPools(HostContext host, IPoolService service)
    {
        _host = host;
        _service = service;
    }

    /// <summary>All pools, by name. Errors: PoolDaemonUnavailable.</summary>
    public IReadOnlyList<Pool> List() => _service.List();

    /// <summary>A pool. Errors: PoolNotFound, PoolDaemonUnavailable.</summary>
    public Pool Get(string name) =>
        List().FirstOrDefault(pool => pool.Name == name) ?? throw new LvmException(ErrorIds.PoolNotFound, $"there is no pool '{name}'");

    /// <summary>
    /// Begins a pool, which outlasts the daemon; its shells are made in the background. Errors: PoolExists, PoolInvalid, BridgeNotFound,
    /// Kernel…, Image…, PoolDaemonUnavailable.
    /// </summary>
    public Pool Add(PoolDefinition pool) => Named("add", pool.Name, () => _service.Add(Chosen(pool.Checked())));

    /// <summary>Changes how many shells a pool keeps; its flavour stays as it is. Errors: PoolNotFound, PoolInvalid, PoolDaemonUnavailable.</summary>
    public Pool Set(PoolDefinition pool) => Named("change", pool.Name, () => _service.Set(pool));

    /// <summary>Ends a pool and destroys its shells. Domains that were made of them stay. Errors: PoolNotFound, PoolDaemonUnavailable.</summary>
    public void Remove(string name)
    {
        try
        {
            _service.Remove(name);
        }
        catch (LvmException error)
        {
            throw error.During($"remove pool '{name}'");
        }
    }

    /// <summary>
    /// Has the daemon create a domain, as Chaos' shell daemon did; by <see cref="LvmHost.CreateDomain"/> the caller does it itself, which is
    /// quicker. Errors: those of a creation, PoolDaemonUnavailable.
    /// </summary>
    public Domain CreateDomain(DomainConfig config, CancellationToken cancellation = default)
    {
        try
        {
            var (id, record) = _service.Create(config, cancellation);
            var info = _host.Hypervisor.FindDomain(id) ?? throw new LvmException(ErrorIds.DomainGone, "it was removed while it was being started");
            _host.Directory.Refresh();
            return _host.Describe(info, DateTimeOffset.UtcNow) with { Creation = record };
        }
        catch (LvmException error)
        {
            throw error.During("create", config.Name);
        }
    }

    /// <summary>Makes a domain of a shell; null where there is none that fits.</summary>
    internal Domain? TryCreate(DomainConfig config, CancellationToken cancellation)
    {
        if (!_service.IsThere) return null;
        var begin = Stopwatch.GetTimestamp();
        var chosen = _host.ForCreation.ChooseMethod(config);
        // Whoever leaves it open how the guest learns of its devices would rather have a shell that does it the other way than none.
        DomainConfig[] ways = chosen.DeviceMethod == config.DeviceMethod ? [chosen] : [chosen, config];
        foreach (var way in ways)
        {
            if (TryCreate(way, begin, cancellation) is { } domain) return domain;
        }

        // It is one domain that finds none, however many ways there are: it counts once.
        _ = ways.Any(way => _service.NoteMiss(ShellRequest.Of(way)));
        return null;
    }

    private Domain? TryCreate(DomainConfig config, long begin, CancellationToken cancellation)
    {
        var request = ShellRequest.Of(config);
        List<ShellRecord> passedOver = [];
        try
        {
            // Another process may be quicker with one shell, and not with the next.
            while (_service.Take(request) is { } shell)
            {
                if (TryUse(shell, passedOver, config, begin, cancellation) is { } domain) return domain;
            }

            return null;
        }
        finally
        {
            passedOver.ForEach(shell => _service.GiveBack(shell, isUsed: false)); // not before: it would be taken again
        }
    }

    /// <param name="passedOver">Gets the shell where somebody else holds it, who is not waited for: there may be others.</param>
    private Domain? TryUse(ShellRecord shell, List<ShellRecord> passedOver, DomainConfig config, long begin, CancellationToken cancellation)
    {
        var isUsed = false;
        try
        {
            using var hold = _host.TryHold(shell.Uuid);
            if (hold is null)
            {
                passedOver.Add(shell);
                return null;
            }

            using var activity = DomainCreation.Activities.StartActivity("create");
            activity?.SetTag("lightvm.domain.name", config.Name);
            using var own = config.Uuid is { } uuid && uuid != shell.Uuid ? _host.Directory.HoldDomain(uuid, HostContext.HoldPatience) : null;
            using var reservation = _host.ForCreation.CheckDirectory(config);
            if (DomainCreation.RunShell(_host.ForCreation, config, shell, begin, ref isUsed, cancellation) is not var (key, record)) return null;
            if (!config.Paused) _host.AwaitReturn(key, config, shell.InUse.Select(id => new DeviceId(DeviceKind.Network, id)).ToArray(), cancellation);
            return _host.DescribeNew(key, config.Name, record, "create");
        }
        catch (LvmException error)
        {
            throw error.During("create", config.Name);
        }
        finally
        {
            if (!passedOver.Contains(shell)) _service.GiveBack(shell, isUsed);
        }
    }

    internal void Dispose() => _service.Dispose();

    /// <summary>Shells that have their kernel have devices as their kernel wants them, for so will be asked.</summary>
    private PoolDefinition Chosen(PoolDefinition pool) => pool.Flavour.Kind == ShellKind.Built
        ? pool with { Flavour = pool.Flavour with { DeviceMethod = _host.ForCreation.ChooseMethod(pool.Flavour.ConfigFor(Guid.NewGuid())).DeviceMethod } }
        : pool;

    private Pool Named(string operation, string name, Action change)
    {
        try
        {
            change();
            return Get(name);
        }
        catch (LvmException error)
        {
            throw error.During($"{operation} pool '{name}'");
        }
    }
}
