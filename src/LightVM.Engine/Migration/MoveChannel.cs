using System.Buffers.Binary;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// The frames of the migration protocol on a link: four bytes of length and one of type, three of nothing, then so many bytes
/// (docs/migration-protocol.md). One thread reads; any may write. Whatever the peer sends, it is bounded, and ends in an
/// <see cref="LvmException"/> where it makes no sense: MoveProtocolInvalid.
/// </summary>
/// <remarks>Small frames of the stream go out together, and come in together: a record of TLS and two system calls for each would be dearer than they are.</remarks>
internal sealed class MoveChannel(MigrationLink link)
{
    public const int HeadSize = 8;

    /// <summary>The most that one frame of the stream has.</summary>
    public const int MaxData = 1 << 20;

    /// <summary>The most that a message has: a configuration, every character of which is escaped.</summary>
    public const int MaxMessage = 4 << 20;

    /// <summary>Bytes that are gathered before they are sent, and that are read at once.</summary>
    private const int Gathered = 64 << 10;

    /// <summary>Frames from this length on are not worth a copy.</summary>
    private const int Large = 16 << 10;

    private readonly object _writing = new();
    private readonly byte[] _out = new byte[Gathered];
    private readonly byte[] _in = new byte[Gathered];
    private int _outLength;
    private int _inAt;
    private int _inEnd;

    /// <summary>What the side that connects begins with, so that nobody takes it for something else.</summary>
    private static ReadOnlySpan<byte> Preamble => "LVM-MOVE"u8;

    public MigrationLink Link => link;

    /// <summary>Goes out with the first message.</summary>
    public void SendPreamble() => Gather(Preamble);

    /// <param name="first">Bytes of it that have been read already.</param>
    public void ReceivePreamble(ReadOnlySpan<byte> first)
    {
        var preamble = new byte[Preamble.Length];
        first.CopyTo(preamble);
        ReadExactly(preamble.AsSpan(first.Length));
        if (!preamble.AsSpan().SequenceEqual(Preamble)) throw Invalid("it does not begin as a move does");
    }

    public void Send<T>(T message)
        where T : IMoveMessage
    {
        var bytes = new MemoryStream();
        bytes.Write(stackalloc byte[HeadSize]);
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            message.Write(json);
            json.WriteEndObject();
        }

        var frame = bytes.GetBuffer().AsSpan(0, (int)bytes.Length);
        WriteHead(frame, T.Frame, frame.Length - HeadSize);
        lock (_writing)
        {
            Gather(frame);
            Flush();
        }
    }

    /// <summary>Sends some of the stream; at <see cref="Flush"/> at the latest.</summary>
    /// <param name="frame">With room for a head before it.</param>
    public void SendData(Span<byte> frame)
    {
        WriteHead(frame, MoveFrame.Data, frame.Length - HeadSize);
        Gather(frame);
    }

    /// <summary>Sends bytes that are no frame, for a peer that knows none.</summary>
    public void SendBare(ReadOnlySpan<byte> bytes)
    {
        Gather(bytes);
        Flush();
    }

    /// <summary>Sends some of the stream that can be said in short, likewise.</summary>
    public void SendRun(StreamRun run)
    {
        Span<byte> frame = stackalloc byte[HeadSize + StreamRun.Size];
        WriteHead(frame, MoveFrame.Run, StreamRun.Size);
        run.Write(frame[HeadSize..]);
        Gather(frame);
    }

    /// <summary>Sends what has been gathered.</summary>
    public void Flush()
    {
        lock (_writing)
        {
            var length = _outLength;
            _outLength = 0;
            if (length > 0) link.Stream.Write(_out.AsSpan(0, length));
        }
    }

    public StreamRun ReceiveRun(int length)
    {
        Span<byte> bytes = stackalloc byte[StreamRun.Size];
        if (length != bytes.Length) throw Invalid($"there is a frame {MoveFrame.Run} of {length} bytes");
        ReadExactly(bytes);
        return StreamRun.Read(bytes) ?? throw Invalid($"there is a {MoveFrame.Run} that is none");
    }

    /// <summary>Reads the head of the next frame, whose payload is the caller's to read.</summary>
    public (MoveFrame Type, int Length) ReceiveHead()
    {
        Span<byte> head = stackalloc byte[HeadSize];
        ReadExactly(head);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(head);
        var type = (MoveFrame)head[4];
        if (!Enum.IsDefined(type) || head[5..].IndexOfAnyExcept((byte)0) >= 0) throw Invalid($"there is a frame of type {head[4]}, which is none");
        if (length > (type == MoveFrame.Data ? MaxData : MaxMessage)) throw Invalid($"there is a frame {type} of {length} bytes");
        return (type, (int)length);
    }

    /// <summary>Reads the next message, which has to be of one kind. Errors: MoveProtocolInvalid, those of the link, and why the peer has given up.</summary>
    public T Receive<T>(Func<JsonElement, T> read)
        where T : IMoveMessage
    {
        var (type, length) = ReceiveHead();
        return type == T.Frame ? ReceiveBody(type, length, read) : throw Unexpected(type, length);
    }

    public T ReceiveBody<T>(MoveFrame type, int length, Func<JsonElement, T> read)
    {
        var bytes = new byte[length];
        ReadExactly(bytes);
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 8 });
            return read(document.RootElement);
        }
        catch (InvalidConfigException error)
        {
            throw Invalid($"the configuration in its {type} is none: {error.Problem}", error);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException or OverflowException)
        {
            throw Invalid($"its {type} makes no sense: {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>The error for a frame that has no place here: the peer's own, where it is one.</summary>
    public LvmException Unexpected(MoveFrame type, int length) =>
        type == MoveFrame.Failure ? Explain(ReceiveBody(type, length, Failure.Read)) : Invalid($"there is a frame {type} that has no place here");

    public void ReadExactly(Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var count = Read(buffer);
            if (count == 0) throw new LvmException(ErrorIds.ConnectionLost, $"{link.PeerName} has ended the connection in the middle");
            buffer = buffer[count..];
        }
    }

    /// <summary>Whether nothing is known to have come that was not read yet.</summary>
    public bool IsDry => _inAt == _inEnd && link.Stream.IsDry;

    /// <summary>Some bytes, at least one; 0 when the peer has ceased to write.</summary>
    public int Read(Span<byte> buffer)
    {
        if (_inAt == _inEnd)
        {
            if (buffer.Length >= _in.Length) return link.Stream.Read(buffer);
            (_inAt, _inEnd) = (0, 0);
            _inEnd = link.Stream.Read(_in);
        }

        var count = Math.Min(buffer.Length, _inEnd - _inAt);
        _in.AsSpan(_inAt, count).CopyTo(buffer);
        _inAt += count;
        return count;
    }

    /// <summary>The error of the peer, as one of this side: with its id, where that is one of the catalogue.</summary>
    public LvmException Explain(Failure failure) =>
        new(KnownId(failure.ErrorId), failure.ErrorId == ErrorIds.OperationCancelled ? $"it was cancelled at {link.PeerName}: {failure.Problem}" : $"{link.PeerName} says: {failure.Problem}");

    /// <summary>The refusal of the peer, likewise.</summary>
    public LvmException Explain(IReadOnlyList<MoveObstacle> obstacles)
    {
        var serious = obstacles.Where(obstacle => !obstacle.IsWarning).ToList();
        return new LvmException(KnownId(serious.FirstOrDefault()?.ErrorId ?? ""), $"{link.PeerName} does not take it: {(serious.Count > 0 ? string.Join("; ", serious.Select(each => each.Problem)) : "it does not say why")}");
    }

    public LvmException Invalid(string why, Exception? inner = null) => new(ErrorIds.MoveProtocolInvalid, $"{link.PeerName} does not keep to the migration protocol: {why}", inner);

    /// <summary>Some text of a peer, without what a terminal could take for more than text.</summary>
    internal static string Text(JsonElement json, string key) => Quoted.Line(json.GetProperty(key).GetString() ?? throw new FormatException($"it has no {key}"));

    private void Gather(ReadOnlySpan<byte> bytes)
    {
        lock (_writing)
        {
            if (_outLength + bytes.Length > _out.Length || bytes.Length >= Large) Flush();
            if (bytes.Length >= Large)
            {
                link.Stream.Write(bytes);
                return;
            }

            bytes.CopyTo(_out.AsSpan(_outLength));
            _outLength += bytes.Length;
        }
    }

    private static string KnownId(string id) => ErrorCatalog.All.Any(each => each.Id == id) ? id : ErrorIds.MoveRefused;

    private static void WriteHead(Span<byte> frame, MoveFrame type, int length)
    {
        frame[..HeadSize].Clear();
        BinaryPrimitives.WriteInt32LittleEndian(frame, length);
        frame[4] = (byte)type;
    }
}
