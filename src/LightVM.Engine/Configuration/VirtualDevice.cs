using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace LightVM.Configuration;

/// <summary>
/// Names of virtual disks and Xen's numbers for them, as laid down in xen-vbd-interface(7).
/// <code>
/// name            disks      partitions  id
/// xvd…, d…p…      0..15      0..15       202 &lt;&lt; 8 | disk &lt;&lt; 4 | partition
///                 0..2^20-1  0..255      1 &lt;&lt; 28 | disk &lt;&lt; 8 | partition     (where the line above does not reach)
/// hda, hdb        0..1       0..63       3 &lt;&lt; 8 | disk &lt;&lt; 6 | partition
/// hdc, hdd        2..3       0..63       22 &lt;&lt; 8 | (disk - 2) &lt;&lt; 6 | partition
/// sd…             0..15      0..15       8 &lt;&lt; 8 | disk &lt;&lt; 4 | partition
/// </code>
/// Partition 0 is the whole disk. Letters count like the columns of a spreadsheet: a = 0 … z = 25, aa = 26, ab = 27.
/// </summary>
public static class VirtualDevice
{
    // Linux' major numbers of the disks that the ids imitate (Documentation/admin-guide/devices.txt).
    private const int XvdMajor = 202;
    private const int IdePrimaryMajor = 3;
    private const int IdeSecondaryMajor = 22;
    private const int ScsiMajor = 8;

    private const int ExtendedFlag = 1 << 28;
    private const int MaxDisk = (1 << 20) - 1;
    private const int MaxPartition = 255;

    private static readonly Family Xvd = new("xvd", MaxDisk, MaxPartition);
    private static readonly Family[] Families = [Xvd, new("hd", 3, 63), new("sd", 15, 15)];

    private const string Forms =
        "must be xvd<letters>[partition], d<disk>p<partition>, hd<letter>[partition] or sd<letter>[partition], such as \"xvda\" or \"xvda1\"";

    /// <summary>Xen's device id of a virtual disk's name.</summary>
    /// <param name="name">The name, in lower case: "xvda", "xvda1", "d0p1", "hda", "sdb2".</param>
    /// <param name="id">The id; 0 when the name is refused.</param>
    /// <param name="why">What is wrong with the name, a sentence without a full stop; null when it is valid.</param>
    public static bool TryParse(string name, out int id, [NotNullWhen(false)] out string? why)
    {
        id = 0;
        if (!TrySplit(name, out var family, out var disk, out var partition))
        {
            why = Forms;
            return false;
        }

        if (disk > family.MaxDisk)
        {
            why = $"names a disk past the last one, {family.Prefix}{Letters(family.MaxDisk)} (d{family.MaxDisk})";
            return false;
        }

        if (partition > family.MaxPartition)
        {
            why = $"names a partition past the last one, {family.MaxPartition}";
            return false;
        }

        id = Encode(family.Prefix, disk, partition);
        why = null;
        return true;
    }

    /// <summary>
    /// The canonical name of a device id, "xvd…" for the ids that "d…p…" shares with it; null for a number that no name has.
    /// </summary>
    public static string? NameOf(int id)
    {
        if (id >> 28 == 1)
        {
            var (disk, partition) = ((id >> 8) & MaxDisk, id & 0xff);
            // The extended form of a small number exists, but is not what its name stands for.
            return disk <= 15 && partition <= 15 ? null : Name(Xvd.Prefix, disk, partition);
        }

        var minor = id & 0xff;
        return (id >> 8) switch
        {
            XvdMajor => Name(Xvd.Prefix, minor >> 4, minor & 0xf),
            ScsiMajor => Name("sd", minor >> 4, minor & 0xf),
            IdePrimaryMajor when minor < 128 => Name("hd", minor >> 6, minor & 0x3f),
            IdeSecondaryMajor when minor < 128 => Name("hd", 2 + (minor >> 6), minor & 0x3f),
            _ => null,
        };
    }

    private static int Encode(string prefix, int disk, int partition) => prefix switch
    {
        "hd" when disk < 2 => IdePrimaryMajor << 8 | disk << 6 | partition,
        "hd" => IdeSecondaryMajor << 8 | (disk - 2) << 6 | partition,
        "sd" => ScsiMajor << 8 | disk << 4 | partition,
        _ when disk <= 15 && partition <= 15 => XvdMajor << 8 | disk << 4 | partition,
        _ => ExtendedFlag | disk << 8 | partition,
    };

    private static bool TrySplit(string name, [NotNullWhen(true)] out Family? family, out int disk, out int partition)
    {
        disk = partition = 0;
        family = Array.Find(Families, candidate => name.StartsWith(candidate.Prefix, StringComparison.Ordinal));
        if (family is not null)
        {
            var rest = name.AsSpan(family.Prefix.Length);
            var letters = rest.IndexOfAnyExceptInRange('a', 'z');
            if (letters < 0) letters = rest.Length;
            if (letters == 0) return false;

            disk = DiskOf(rest[..letters]);
            var digits = rest[letters..];
            // "xvda0" would be a second name of "xvda": Xen's own parser refuses it, too.
            return digits.IsEmpty || (digits[0] != '0' && TryNumber(digits, out partition));
        }

        if (!name.StartsWith('d')) return false;
        family = Xvd;
        var numbers = name.AsSpan(1);
        var separator = numbers.IndexOf('p');
        return separator > 0 && TryNumber(numbers[..separator], out disk) && TryNumber(numbers[(separator + 1)..], out partition);
    }

    /// <summary>The disk that letters stand for; one past the last for any that is too high, however many letters it has.</summary>
    private static int DiskOf(ReadOnlySpan<char> letters)
    {
        var disk = -1;
        foreach (var letter in letters)
        {
            disk = (disk + 1) * 26 + (letter - 'a');
            if (disk > MaxDisk) return MaxDisk + 1;
        }

        return disk;
    }

    /// <summary>A decimal number without leading zeros; any that is too high for a disk comes out as one past the last.</summary>
    private static bool TryNumber(ReadOnlySpan<char> digits, out int number)
    {
        number = 0;
        if (digits.IsEmpty || (digits.Length > 1 && digits[0] == '0')) return false;
        if (digits.ContainsAnyExceptInRange('0', '9')) return false;
        if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number > MaxDisk) number = MaxDisk + 1;
        return true;
    }

    private static string Name(string prefix, int disk, int partition) =>
        prefix + Letters(disk) + (partition == 0 ? "" : partition.ToString(CultureInfo.InvariantCulture));

    private static string Letters(int disk)
    {
        var letters = "";
        for (; disk >= 0; disk = disk / 26 - 1) letters = (char)('a' + disk % 26) + letters;
        return letters;
    }

    /// <summary>The names with one prefix: its last disk and its last partition.</summary>
    private sealed record Family(string Prefix, int MaxDisk, int MaxPartition);
}
