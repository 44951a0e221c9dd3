using System.Runtime.InteropServices;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Hypervisor;

namespace LightVM.Migration;

/// <summary>What can be written as the payload of a frame.</summary>
internal interface IMoveMessage
{
    static abstract MoveFrame Frame { get; }

    void Write(Utf8JsonWriter json);
}

/// <summary>The first words of both sides.</summary>
/// <param name="Protocol">The newest version of the protocol that the side speaks.</param>
/// <param name="Toolstack">Its version, for logs.</param>
/// <param name="Xen">"4.17.7".</param>
/// <param name="Boot">Which machine it is, and since when it is up: no two runs of machines have the same.</param>
/// <param name="Host">What the machine calls itself, for people.</param>
internal sealed record Hello(int Protocol, string Toolstack, string Xen, Guid Boot, string Host) : IMoveMessage
{
    public const int CurrentProtocol = 2;

    /// <summary>The first version with <see cref="Mark"/> and <see cref="Marked"/>.</summary>
    public const int MarkingProtocol = 2;

    public static MoveFrame Frame => MoveFrame.Hello;

    public static Hello Read(JsonElement json) => new(
        json.GetProperty("protocol").GetInt32(), MoveChannel.Text(json, "toolstack"), MoveChannel.Text(json, "xen"), json.GetProperty("boot").GetGuid(), MoveChannel.Text(json, "host"));

    public void Write(Utf8JsonWriter json)
    {
        json.WriteNumber("protocol", Protocol);
        json.WriteString("toolstack", Toolstack);
        json.WriteString("xen", Xen);
        json.WriteString("boot", Boot);
        json.WriteString("host", Host);
    }
}

/// <summary>A domain that would come.</summary>
/// <param name="Ticket">What both sides know this move by.</param>
/// <param name="CompareOnly">Whether it is only asked what would prevent it.</param>
/// <param name="Config">The domain's configuration, with its uuid and all that was settled of its devices.</param>
/// <param name="Cpu">What its guest sees of the CPU.</param>
internal sealed record Offer(Guid Ticket, bool CompareOnly, bool IsLive, DomainConfig Config, IReadOnlyList<CpuidLeaf> Cpu) : IMoveMessage
{
    /// <summary>A domain has at most so many of each kind.</summary>
    private const int MostDevices = 32;

    /// <summary>The devices that its guest has in use.</summary>
    public IReadOnlyList<DeviceId> DevicesInUse { get; init; } = [];

    public static MoveFrame Frame => MoveFrame.Offer;

    /// <exception cref="InvalidConfigException">Its configuration is none.</exception>
    public static Offer Read(JsonElement json)
    {
        var cpu = json.GetProperty("cpu").GetBytesFromBase64();
        if (cpu.Length % Marshal.SizeOf<CpuidLeaf>() != 0) throw new FormatException("its CPU leaves are not whole");
        var config = DomainConfigJson.Parse(System.Text.Encoding.UTF8.GetBytes(json.GetProperty("config").GetString()!), "offer", requireKernel: false);
        if (config.Uuid is null) throw new FormatException("its domain has no uuid");
        return new Offer(
            json.GetProperty("ticket").GetGuid(), json.GetProperty("compare").GetBoolean(), json.GetProperty("live").GetBoolean(), config, MemoryMarshal.Cast<byte, CpuidLeaf>(cpu).ToArray())
        {
            DevicesInUse = json.GetProperty("in_use").EnumerateArray().Take(MostDevices).Select(device => DeviceId.Parse(device.GetString()!)).ToArray(),
        };
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteString("ticket", Ticket);
        json.WriteBoolean("compare", CompareOnly);
        json.WriteBoolean("live", IsLive);
        json.WriteString("config", DomainConfigJson.Write(Config));
        json.WriteBase64String("cpu", MemoryMarshal.AsBytes<CpuidLeaf>(Cpu.ToArray()));
        json.WriteStartArray("in_use");
        foreach (var device in DevicesInUse) json.WriteStringValue(device.ToString());
        json.WriteEndArray();
    }
}

/// <summary>Whether the domain may come, and what speaks against it.</summary>
internal sealed record Answer(bool IsAccepted, IReadOnlyList<MoveObstacle> Obstacles) : IMoveMessage
{
    private const int MostObstacles = 256;

    public static MoveFrame Frame => MoveFrame.Answer;

    public static Answer Read(JsonElement json) => new(
        json.GetProperty("accepted").GetBoolean(),
        json.GetProperty("obstacles").EnumerateArray().Take(MostObstacles)
            .Select(each => new MoveObstacle(MoveChannel.Text(each, "id"), MoveChannel.Text(each, "problem"), each.GetProperty("warning").GetBoolean())).ToList());

    public void Write(Utf8JsonWriter json)
    {
        json.WriteBoolean("accepted", IsAccepted);
        json.WriteStartArray("obstacles");
        foreach (var (id, problem, isWarning) in Obstacles.Take(MostObstacles))
        {
            json.WriteStartObject();
            json.WriteString("id", id);
            json.WriteString("problem", problem);
            json.WriteBoolean("warning", isWarning);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}

/// <summary>That the stream has come to its end, and what it was.</summary>
/// <param name="Checksum">XXH64 of all its bytes.</param>
internal sealed record StreamEnd(long Length, ulong Checksum) : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.End;

    public static StreamEnd Read(JsonElement json) => new(json.GetProperty("length").GetInt64(), json.GetProperty("checksum").GetUInt64());

    public void Write(Utf8JsonWriter json)
    {
        json.WriteNumber("length", Length);
        json.WriteNumber("checksum", Checksum);
    }
}

/// <summary>A place in the stream, between two of its records: the source wants to hear when everything before it has been worked off.</summary>
internal sealed record Mark : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Mark;

    public static Mark Read(JsonElement json) => new();

    public void Write(Utf8JsonWriter json)
    {
    }
}

/// <summary>Everything before the last mark has been worked off.</summary>
internal sealed record Marked : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Marked;

    public static Marked Read(JsonElement json) => new();

    public void Write(Utf8JsonWriter json)
    {
    }
}

/// <summary>The domain is whole at the target, and waits for its start.</summary>
internal sealed record Ready : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Ready;

    public void Write(Utf8JsonWriter json)
    {
    }
}

/// <summary>The target may let the guest run: from now on the source does not, before it has heard that the target never will.</summary>
internal sealed record Go(Guid Ticket) : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Go;

    public static Go Read(JsonElement json) => new(json.GetProperty("ticket").GetGuid());

    public void Write(Utf8JsonWriter json) => json.WriteString("ticket", Ticket);
}

/// <summary>The guest runs at the target.</summary>
/// <param name="Id">Its id there.</param>
/// <param name="Start">From Go to the guest's start.</param>
/// <param name="Since">From there to this word: the guest has run for as long.</param>
internal sealed record Running(uint Id, TimeSpan Start, TimeSpan Since) : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Running;

    public static Running Read(JsonElement json) => new(
        json.GetProperty("id").GetUInt32(),
        TimeSpan.FromMicroseconds(json.GetProperty("start").GetInt64()),
        TimeSpan.FromMicroseconds(json.TryGetProperty("since", out var since) ? since.GetInt64() : 0)); // not all say that

    public void Write(Utf8JsonWriter json)
    {
        json.WriteNumber("id", Id);
        json.WriteNumber("start", (long)Start.TotalMicroseconds);
        json.WriteNumber("since", (long)Since.TotalMicroseconds);
    }
}

/// <summary>The source has nothing left of the domain, and will not ask for it again.</summary>
internal sealed record Gone(Guid Ticket) : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Gone;

    public static Gone Read(JsonElement json) => new(json.GetProperty("ticket").GetGuid());

    public void Write(Utf8JsonWriter json) => json.WriteString("ticket", Ticket);
}

/// <summary>The side has given up, and why.</summary>
internal sealed record Failure(string ErrorId, string Problem) : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Failure;

    public static Failure Read(JsonElement json) => new(MoveChannel.Text(json, "id"), MoveChannel.Text(json, "problem"));

    public void Write(Utf8JsonWriter json)
    {
        json.WriteString("id", ErrorId);
        json.WriteString("problem", Problem);
    }
}

/// <summary>What has become of a move?</summary>
/// <param name="Boot">Of the target that the source was talking to.</param>
internal sealed record Question(Guid Ticket, Guid Boot) : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Question;

    public static Question Read(JsonElement json) => new(json.GetProperty("ticket").GetGuid(), json.GetProperty("boot").GetGuid());

    public void Write(Utf8JsonWriter json)
    {
        json.WriteString("ticket", Ticket);
        json.WriteString("boot", Boot);
    }
}

/// <summary>The answer to it.</summary>
/// <param name="Id">The domain's id there, where it is known.</param>
internal sealed record FateOfMove(MoveFate Fate, uint? Id) : IMoveMessage
{
    public static MoveFrame Frame => MoveFrame.Fate;

    public static FateOfMove Read(JsonElement json) => new(
        Enum.TryParse<MoveFate>(json.GetProperty("fate").GetString(), out var fate) && Enum.IsDefined(fate) ? fate : throw new FormatException("it names a fate that is none"),
        json.TryGetProperty("id", out var id) ? id.GetUInt32() : null);

    public void Write(Utf8JsonWriter json)
    {
        json.WriteString("fate", Fate.ToString());
        if (Id is { } id) json.WriteNumber("id", id);
    }
}

/// <summary>What can have become of a move.</summary>
internal enum MoveFate
{
    /// <summary>The guest goes on at the target, or has done so.</summary>
    Committed,

    /// <summary>It does not run at the target, and never will.</summary>
    Refused,

    /// <summary>The target has been started anew since, and does not know.</summary>
    Unknown,
}
