using System.Globalization;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>What a daemon notes of a device in /run, for the one that comes after it: a line of words.</summary>
/// <param name="Page">What the driver calls the control page (<see cref="SharedPage.Index"/>).</param>
/// <param name="Grant">The control page's reference; of a console the guest's reference of its ring.</param>
/// <param name="Port">The device's port.</param>
internal sealed record DeviceRecord(DeviceType Type, uint Id, ulong Page, uint Grant, uint Port)
{
    private const int Words = 11;

    private const string End = ".", EndOfLeaving = "leaving."; // a line that is cut off has neither

    /// <summary>The guest's ports that are bound besides, and to what: of an interface its rings', of a console its own.</summary>
    public PortPair First { get; init; }

    public PortPair Second { get; init; }

    /// <summary>What it was made with, as it came.</summary>
    public byte[] Settings { get; init; } = [];

    /// <summary>Whether its guest was asked to let go of it.</summary>
    public bool IsLeaving { get; init; }

    public string Write() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Type} {Id} {Page} {Grant} {Port} {First.Guest} {First.Local} {Second.Guest} {Second.Local} {Convert.ToHexString(Settings)} {(IsLeaving ? EndOfLeaving : End)}");

    /// <summary>Null where that is no record.</summary>
    public static DeviceRecord? Read(string line)
    {
        var words = line.Split(' ');
        if (words.Length != Words || words[^1] is not (End or EndOfLeaving) || !Enum.TryParse<DeviceType>(words[0], out var type)) return null;
        var numbers = new ulong[8];
        for (var i = 0; i < numbers.Length; i++)
        {
            if (!ulong.TryParse(words[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]) || (i != 1 && numbers[i] > uint.MaxValue)) return null;
        }

        try
        {
            return new DeviceRecord(type, (uint)numbers[0], numbers[1], (uint)numbers[2], (uint)numbers[3])
            {
                First = new PortPair((uint)numbers[4], (uint)numbers[5]),
                Second = new PortPair((uint)numbers[6], (uint)numbers[7]),
                Settings = Convert.FromHexString(words[9]),
                IsLeaving = words[^1] == EndOfLeaving,
            };
        }
        catch (FormatException)
        {
            return null;
        }
    }
}

/// <summary>A guest's port, and the one here that leads to it; 0 is none.</summary>
internal readonly record struct PortPair(uint Guest, uint Local);
