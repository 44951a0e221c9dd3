using LightVM.Configuration;

namespace LightVM.Pools;

/// <summary>One request to the pool daemon.</summary>
internal abstract record PoolDaemonRequest
{
    /// <summary>Asks for a shell that can become something.</summary>
    internal sealed record Take(ShellRequest Shell) : PoolDaemonRequest;

    /// <summary>Says what became of a shell. It gets no answer.</summary>
    internal sealed record Done(Guid Uuid, bool IsUsed) : PoolDaemonRequest;

    /// <summary>Has the daemon create a domain.</summary>
    internal sealed record Create(DomainConfig Config) : PoolDaemonRequest;

    internal sealed record Add(PoolDefinition Pool) : PoolDaemonRequest;

    internal sealed record Set(PoolDefinition Pool) : PoolDaemonRequest;

    internal sealed record Remove(string Name) : PoolDaemonRequest;

    internal sealed record List : PoolDaemonRequest;

    /// <summary>Asks the daemon how it does.</summary>
    internal sealed record Status : PoolDaemonRequest;
}
