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
            _files[domain] = files = new Files(uuid) { Log = OpenLog(uuid) };
        }

        try
        {
            files.Spool ??= SpoolFile.Open(PathOf(files.Uuid));
            files.Spool.Append(bytes);
            files.IsKept = true;
        }
        catch (Exception error) when (IsOfFiles(error))
        {
            if (files.IsKept) log.Warning($"console of domain {domain} is not kept: {error.Message}");
            files.IsKept = false;
        }

        if (files.Log is not { } logFile) return;
        try
        {
            logFile.Write(bytes);
        }
        catch (Exception error) when (IsOfFiles(error))
        {
            log.Warning($"console of domain {domain} is not logged any more: {error.Message}");
            logFile.Dispose();
            files.Log = null;
        }
    }

    public void Close(ushort domain)
    {
        _ = _files.TryRemove(domain, out var files);
        try
        {
            // It may have been an earlier daemon that wrote.
            if (files?.Spool is { } spool) spool.Remove();
            else if ((files?.Uuid ?? uuidOf(domain)) is { } uuid) System.IO.File.Delete(PathOf(uuid));
        }
        catch (Exception error) when (IsOfFiles(error))
        {
            log.Warning($"console of domain {domain} is left: {error.Message}");
        }
        finally
        {
            files?.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var files in _files.Values) files.Dispose();
    }

    private static string PathOf(Guid uuid) => ConsoleSpools.PathOf(NoxsFiles.ConsoleFolder, uuid);

    private static bool IsOfFiles(Exception error) => error is LvmException or IOException or UnauthorizedAccessException;

    private FileStream? OpenLog(Guid uuid)
    {
        if (logFolder is null) return null;
        try
        {
            // Without a buffer: what could not be written would be tried again when it is closed.
            return new FileStream(Path.Combine(logFolder, $"guest-{uuid}.log"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception error) when (IsOfFiles(error))
        {
            log.Warning($"console of domain {uuid} is not logged: {error.Message}");
            return null;
        }
    }

    private sealed class Files(Guid uuid) : IDisposable
    {
        public Guid Uuid => uuid;

        /// <summary>Null until it could be opened.</summary>
        public SpoolFile? Spool { get; set; }

        /// <summary>Null where there is none, or it has failed.</summary>
        public FileStream? Log { get; set; }

        /// <summary>Whether the last that was written is in the spool: of several failures the first is told.</summary>
        public bool IsKept { get; set; } = true;

        public void Dispose()
        {
            Spool?.Dispose();
            Log?.Dispose();
        }
    }
}
