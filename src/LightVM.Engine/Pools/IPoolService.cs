using LightVM.Configuration;
using LightVM.Domains;

namespace LightVM.Pools;

/// <summary>Pools as their users see them: the keeper in this process, or the daemon that has one. Members may be called from several threads.</summary>
internal interface IPoolService : IDisposable
{
    /// <summary>Whether there is any sense in asking.</summary>
    bool IsThere { get; }

    /// <summary>All pools, by name. Errors: PoolDaemonUnavailable.</summary>
    IReadOnlyList<Pool> List();

    /// <summary>Begins a pool. Errors: PoolExists, PoolInvalid, those of its kernel or image, PoolDaemonUnavailable.</summary>
    void Add(PoolDefinition pool);

    /// <summary>Changes a pool's numbers. Errors: PoolNotFound, PoolInvalid, PoolDaemonUnavailable.</summary>
    void Set(PoolDefinition pool);

    /// <summary>Ends a pool, with its shells. Errors: PoolNotFound, PoolDaemonUnavailable.</summary>
    void Remove(string name);

    /// <summary>A shell that fits, for the caller alone; null where there is none, or nobody to ask. Never throws.</summary>
    ShellRecord? Take(ShellRequest request);

    /// <summary>Says that no shell was found for a domain that is made in full; whether that counts for a pool, whose shells could have become it. Never throws.</summary>
    bool NoteMiss(ShellRequest request);

    /// <summary>Says what became of a shell that was taken: it was used up, or left as it was. Never throws.</summary>
    void GiveBack(ShellRecord shell, bool isUsed);

    /// <summary>Makes a domain, as the service's own user. Errors: those of a creation, PoolDaemonUnavailable.</summary>
    (uint Id, CreationRecord Record) Create(DomainConfig config, CancellationToken cancellation);
}
