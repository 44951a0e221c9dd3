using LightVM.Configuration;

namespace LightVM.Pools;

/// <summary>One request to the pool daemon.</summary>
internal abstract record PoolDaemonRequest
{
    /// <summary>Says that there was no shell that could become something.</summary>
    internal sealed record Missed(ShellRequest Shell) : PoolDaemonRequest;

    /// <summary>Has the daemon create a domain.</summary>
    internal sealed record Create(DomainConfig Config) : PoolDaemonRequest;

    internal sealed record Add(PoolDefinition Pool) : PoolDaemonRequest;

    internal sealed record Set(PoolDefinition Pool) : PoolDaemonRequest;

    internal sealed record Remove(string Name) : PoolDaemonRequest;

    internal sealed record List : PoolDaemonRequest;

    /// <summary>Asks the daemon how it does.</summary>
    internal sealed record Status : PoolDaemonRequest;
}
