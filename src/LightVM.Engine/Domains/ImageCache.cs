using LightVM.Errors;

namespace LightVM.Domains;

/// <summary>
/// Kernels and ramdisks, read once and kept for as long as their files do not change. Read whole rather than mapped:
/// a file cut short while it is mapped would end this process by SIGBUS.
/// </summary>
/// <param name="builtIn">An image that is there without a file: its path and its bytes.</param>
internal sealed class ImageCache((string Path, byte[] Bytes)? builtIn = null)
{
    /// <summary>Bytes kept at the most; a file larger than this is read anew each time.</summary>
    private const long Capacity = 256L << 20;

    /// <summary>libxenguest refuses what is larger (XC_DOM_DECOMPRESS_MAX).</summary>
    private const long LargestFile = 1L << 30;

    private readonly object _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    // Files that somebody is reading just now: who wants one of them as well waits for it.
    private readonly HashSet<string> _beingRead = new(StringComparer.Ordinal);
    private long _size;
    private int _reads;

    /// <summary>How often a file was read.</summary>
    internal int Reads => _reads;

    public (byte[] Bytes, KernelImage Image) LoadKernel(string path)
    {
        var entry = Load(path, ErrorIds.KernelNotFound, ErrorIds.KernelUnreadable, "kernel");
        lock (entry) entry.Kernel ??= KernelImage.Inspect(entry.Bytes, path);
        return (entry.Bytes, entry.Kernel);
    }

    public byte[] LoadRamdisk(string path) =>
        Load(path, ErrorIds.RamdiskNotFound, ErrorIds.RamdiskUnreadable, "ramdisk").Bytes;

    /// <summary>Whether there is a file, or what stands for it.</summary>
    public bool Has(string path) => builtIn?.Path == path || File.Exists(path);

    private Entry Load(string path, string notFound, string unreadable, string what)
    {
        if (builtIn is { } own && own.Path == path) return new Entry(own.Bytes, own.Bytes.Length, default);
        // A file that was replaced has another time or size; both are read in one stat.
        var file = new FileInfo(path);
        try
        {
            if (Directory.Exists(path)) throw new LvmException(unreadable, $"{what} '{path}' is a directory");
            if (!file.Exists) throw new LvmException(notFound, $"{what} '{path}' does not exist");
            lock (_lock)
            {
                while (true)
                {
                    if (_entries.TryGetValue(path, out var known) && known.Length == file.Length && known.Changed == file.LastWriteTimeUtc) return known;
                    if (_beingRead.Add(path)) break;
                    Monitor.Wait(_lock);
                }
            }

            try
            {
                if (file.Length > LargestFile) throw new LvmException(unreadable, $"{what} '{path}' has {file.Length} bytes, more than 1 GiB");
                Interlocked.Increment(ref _reads);
                var entry = new Entry(File.ReadAllBytes(path), file.Length, file.LastWriteTimeUtc);
                Keep(path, entry);
                return entry;
            }
            finally
            {
                lock (_lock)
                {
                    _beingRead.Remove(path);
                    Monitor.PulseAll(_lock);
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new LvmException(unreadable, $"{what} '{path}' cannot be read: {error.Message.TrimEnd('.')}", error);
        }
    }

    private void Keep(string path, Entry entry)
    {
        lock (_lock)
        {
            if (_entries.Remove(path, out var old)) _size -= old.Bytes.Length;
            if (entry.Bytes.Length > Capacity) return;
            if (_size + entry.Bytes.Length > Capacity)
            {
                _entries.Clear();
                _size = 0;
            }

            _entries[path] = entry;
            _size += entry.Bytes.Length;
        }
    }

    private sealed class Entry(byte[] bytes, long length, DateTime changed)
    {
        public byte[] Bytes { get; } = bytes;

        public long Length { get; } = length;

        public DateTime Changed { get; } = changed;

        public KernelImage? Kernel { get; set; }
    }
}
