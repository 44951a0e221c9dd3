namespace LightVM.Bench;

/// <summary>One request to the store.</summary>
/// <param name="Who">"toolstack", "netback", "blkback", "devd".</param>
/// <param name="What">As bench/baseline/traffic.c has it: "write", "read"…</param>
/// <param name="Path">Absolute; empty for the start and the end of a transaction.</param>
internal sealed record StoreOperation(string Who, string What, string Path, string Value);
