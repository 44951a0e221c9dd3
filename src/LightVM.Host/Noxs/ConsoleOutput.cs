using System.Collections.Concurrent;
using LightVM.Consoles;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>
/// The spools of guests' consoles, by the uuid that the domain has when it first writes: a prepared domain gets another before that. Where a
/// folder for logs is given, all of it is kept there as well.
/// </summary>
internal sealed class ConsoleOutput(Func<ushort, Guid?> uuidOf, string? logFolder, DaemonLog log) : IConsoleOutput, IDisposable
{
    private readonly ConcurrentDictionary<ushort, Files> _files = new();

    public void Write(ushort domain, ReadOnlySpan<byte> bytes)
    {
        if (!_files.TryGetValue(domain, out var files))
        {
            if (uuidOf(domain) is not { } uuid) return;
            _files[domain] = files = Open(uuid);
        }

        try
        {
            files.Spool.Append(bytes);
            files.Log?.Write(bytes);
            files.Log?.Flush();
        }
        catch (Exception error) when (error is LvmException or IOException)
        {
            log.Warning($"console of domain {domain}: {error.Message}");
        }
    }

    public void Close(ushort domain)
    {
        if (!_files.TryRemove(domain, out var files))
        {
            // It may have been an earlier daemon that wrote.
            if (uuidOf(domain) is { } uuid) System.IO.File.Delete(ConsoleSpools.PathOf(NoxsFiles.ConsoleFolder, uuid));
            return;
        }

        files.Spool.Remove();
        files.Dispose();
    }

    public void Dispose()
    {
        foreach (var files in _files.Values) files.Dispose();
    }

    private Files Open(Guid uuid)
    {
        var spool = SpoolFile.Open(ConsoleSpools.PathOf(NoxsFiles.ConsoleFolder, uuid));
        if (logFolder is null) return new Files(spool, null);
        try
        {
            return new Files(spool, new FileStream(Path.Combine(logFolder, $"guest-{uuid}.log"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            log.Warning($"console of domain {uuid}: {error.Message}");
            return new Files(spool, null);
        }
    }

    private sealed record Files(SpoolFile Spool, FileStream? Log) : IDisposable
    {
        public void Dispose()
        {
            Spool.Dispose();
            Log?.Dispose();
        }
    }
}
