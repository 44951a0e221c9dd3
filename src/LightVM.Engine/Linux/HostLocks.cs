using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using LightVM.Errors;

namespace LightVM.Linux;

/// <summary>
/// Locks that all who use this toolstack on a host share, in this process and across processes, each on a text. Each locks one byte of
/// one file: nothing needs to be cleaned up, and the kernel frees the locks of a process that dies.
/// </summary>
internal static class HostLocks
{
    /// <summary>How long it may take to notice that another process has let go: the kernel tells nobody.</summary>
    private static readonly TimeSpan OtherProcesses = TimeSpan.FromMilliseconds(20);

    // The kernel's record locks belong to the process, and closing any descriptor of the file drops them all:
    // there is one descriptor, it stays open, and the set below speaks for the threads.
    private static readonly object Gate = new();
    private static readonly HashSet<string> Taken = new(StringComparer.Ordinal);
    private static FileStream? _file;

    /// <summary>Takes a lock; null when somebody else has it. Errors: HostFileFailure.</summary>
    public static IDisposable? TryTake(string text)
    {
        lock (Gate) return TakeOrNull(text);
    }

    /// <summary>Takes a lock, and waits for whoever has it; null when that took too long. Errors: HostFileFailure.</summary>
    public static IDisposable? Take(string text, TimeSpan patience)
    {
        lock (Gate)
        {
            for (var begin = Stopwatch.GetTimestamp(); ;)
            {
                if (TakeOrNull(text) is { } taken) return taken;
                if (Stopwatch.GetElapsedTime(begin) > patience) return null;
                Monitor.Wait(Gate, OtherProcesses);
            }
        }
    }

    private static Lock? TakeOrNull(string text)
    {
        if (!Taken.Add(text)) return null;
        var position = PositionOf(text);
        try
        {
            (_file ??= OpenFile()).Lock(position, 1);
            return new Lock(text, position);
        }
        catch (IOException error)
        {
            Taken.Remove(text);
            return _file is null ? throw Unusable(error) : null;
        }
        catch (UnauthorizedAccessException error)
        {
            Taken.Remove(text);
            throw Unusable(error);
        }
    }

    private static string FilePath => RunFolder.FileIn("names.lock");

    private static FileStream OpenFile() => new(FilePath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);

    /// <summary>62 bits of the text's hash: that two texts meet is less likely than a broken disk, and would only make one of them wait.</summary>
    private static long PositionOf(string text) =>
        BitConverter.ToInt64(SHA256.HashData(Encoding.UTF8.GetBytes(text))) & 0x3fff_ffff_ffff_ffff;

    private static LvmException Unusable(Exception error) =>
        new(ErrorIds.HostFileFailure, $"'{RunFolder.Path}/names.lock' cannot be used: {error.Message.TrimEnd('.')}", error);

    private sealed class Lock(string text, long position) : IDisposable
    {
        private bool _released;

        public void Dispose()
        {
            lock (Gate)
            {
                if (_released) return;
                _released = true;
                _file!.Unlock(position, 1);
                Taken.Remove(text);
                Monitor.PulseAll(Gate);
            }
        }
    }
}
