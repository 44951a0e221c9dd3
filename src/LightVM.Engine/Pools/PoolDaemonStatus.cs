namespace LightVM.Pools;

/// <summary>What the pool daemon says of itself.</summary>
/// <param name="Version">Of the program.</param>
/// <param name="StartTime">When it began.</param>
/// <param name="Pools">How many pools it keeps.</param>
/// <param name="Ready">Shells that wait in them.</param>
/// <param name="Lent">Shells that were handed out and are becoming domains.</param>
/// <param name="Clients">Connections that are open.</param>
internal sealed record PoolDaemonStatus(string Version, int ProcessId, DateTimeOffset StartTime, int Pools, int Ready, int Lent, int Clients);
