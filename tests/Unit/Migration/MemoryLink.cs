using LightVM.Migration;

namespace LightVM.Unit.Migration;

/// <summary>Two ends of a connection in memory, which breaks after so many bytes in one direction.</summary>
internal static class MemoryLink
{
    public static (MigrationLink Here, MigrationLink There) Pair(long toThere = long.MaxValue, long toHere = long.MaxValue, string transport = "memory")
    {
        var line = new Line(toThere, toHere);
        return (new MigrationLink(new End(line, 0), "there", transport), new MigrationLink(new End(line, 1), "here", transport));
    }

    /// <summary>Both directions; all guarded by one lock.</summary>
    private sealed class Line(params long[] lives)
    {
        private const int Room = 64 << 10;

        private readonly Queue<byte>[] _way = [new(), new()];
        private readonly bool[] _closed = new bool[2];
        private bool _broken;

        public void Write(int way, ReadOnlySpan<byte> bytes)
        {
            lock (this)
            {
                foreach (var each in bytes)
                {
                    while (!_broken && !_closed[way] && _way[way].Count >= Room) Monitor.Wait(this);
                    if (_closed[way]) throw new IOException("closed");
                    if (!_broken && lives[way]-- <= 0) Break();
                    if (_broken) throw new IOException("broken");
                    _way[way].Enqueue(each);
                    if (_way[way].Count == 1) Monitor.PulseAll(this);
                }

                Monitor.PulseAll(this);
            }
        }

        public int Read(int way, Span<byte> buffer)
        {
            lock (this)
            {
                // What was sent before it broke arrives.
                while (_way[way].Count == 0)
                {
                    if (_broken) throw new IOException("broken");
                    if (_closed[way]) return 0;
                    Monitor.Wait(this);
                }

                var count = 0;
                while (count < buffer.Length && _way[way].TryDequeue(out var next)) buffer[count++] = next;
                Monitor.PulseAll(this);
                return count;
            }
        }

        public void Close(int way)
        {
            lock (this)
            {
                _closed[way] = true;
                Monitor.PulseAll(this);
            }
        }

        public void Break()
        {
            lock (this)
            {
                _broken = true;
                Monitor.PulseAll(this);
            }
        }
    }

    private sealed class End(Line line, int side) : LinkStream(side == 0 ? "there" : "here")
    {
        protected override int ReadCore(Span<byte> buffer) => line.Read(1 - side, buffer);

        protected override ValueTask<int> ReadCoreAsync(Memory<byte> buffer) => new(Task.Run(() => ReadCore(buffer.Span)));

        protected override void WriteCore(ReadOnlySpan<byte> buffer) => line.Write(side, buffer);

        protected override ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer) => new(Task.Run(() => WriteCore(buffer.Span)));

        protected override void CloseWritingCore() => line.Close(side);

        protected override void Cut() => line.Break();

        protected override void CloseGently() => line.Close(side);

        protected override void Release()
        {
            line.Close(side);
            line.Close(1 - side);
        }
    }
}
