namespace LightVM.Migration;

/// <summary>Makes frames of a stream: of runs short ones, of the rest as it is.</summary>
internal sealed class StreamFrames(IStreamSink sink)
{
    /// <summary>Pieces in which runs are looked for: so small that one between two records is found, so large that each is worth it.</summary>
    private const int Piece = 512;

    private StreamRun? _run;

    /// <summary>Takes the next bytes of the stream.</summary>
    /// <param name="buffer">With room for a frame's head (<see cref="MoveChannel.HeadSize"/>) before the bytes, and theirs to write to.</param>
    public void Take(Span<byte> buffer)
    {
        var start = MoveChannel.HeadSize; // of what is no run and not sent yet
        for (var at = start; at + Piece <= buffer.Length; at += Piece)
        {
            if (StreamRun.Of(buffer.Slice(at, Piece)) is not { } found)
            {
                EndRun();
                continue;
            }

            if (start < at) sink.Data(buffer[(start - MoveChannel.HeadSize)..at]);
            start = at + Piece;
            if (_run?.With(found) is { } longer)
            {
                _run = longer;
                continue;
            }

            EndRun();
            _run = found;
        }

        if (start == buffer.Length) return;
        EndRun();
        sink.Data(buffer[(start - MoveChannel.HeadSize)..]);
    }

    /// <summary>Hands on what has been held back.</summary>
    public void Flush() => EndRun();

    private void EndRun()
    {
        if (_run is { } run) sink.Run(run);
        _run = null;
    }
}

/// <summary>Where the frames of a stream go.</summary>
internal interface IStreamSink
{
    /// <param name="frame">Bytes of the stream, with room for a head before them.</param>
    void Data(Span<byte> frame);

    void Run(StreamRun run);
}
