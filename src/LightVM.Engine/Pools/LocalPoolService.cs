using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Pools;

/// <summary>A keeper in this process.</summary>
/// <param name="find">The keeper; null while none works.</param>
/// <param name="create">Makes a domain as any user of the host does.</param>
internal sealed class LocalPoolService(Func<PoolKeeper?> find, Func<DomainConfig, CancellationToken, Domain> create) : IPoolService
{
    public bool IsThere => find() is not null;

    public IReadOnlyList<Pool> List() => Require().List();

    public void Add(PoolDefinition pool) => Require().Add(pool);

    public void Set(PoolDefinition pool) => Require().Set(pool);

    public void Remove(string name) => Require().Remove(name);

    public ShellRecord? Take(ShellRequest request) => find()?.Take(request);

    public bool NoteMiss(ShellRequest request) => find()?.NoteMiss(request) ?? false;

    public void GiveBack(ShellRecord shell, bool isUsed) => find()?.GiveBack(shell.Uuid, isUsed);

    public (uint Id, CreationRecord Record) Create(DomainConfig config, CancellationToken cancellation)
    {
        _ = Require();
        var domain = create(config, cancellation);
        return (domain.Id, domain.Creation!);
    }

    public void Dispose()
    {
        // The keeper is its maker's.
    }

    private PoolKeeper Require() => find() ?? throw new LvmException(ErrorIds.PoolDaemonUnavailable, "no pool daemon runs");
}
