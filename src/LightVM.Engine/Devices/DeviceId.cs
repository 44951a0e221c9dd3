namespace LightVM.Devices;

/// <summary>Which of a domain's devices: "Network 0", "Disk 51712".</summary>
/// <param name="Id">Its number among those of its kind.</param>
public readonly record struct DeviceId(DeviceKind Kind, int Id)
{
    /// <exception cref="FormatException">It is not what <see cref="ToString"/> gives.</exception>
    public static DeviceId Parse(string text)
    {
        var parts = text.Split(' ');
        return parts is [var kind, var id] && Enum.TryParse<DeviceKind>(kind, out var known) && Enum.IsDefined(known) && int.TryParse(id, out var number)
            ? new DeviceId(known, number)
            : throw new FormatException($"'{text}' is no device");
    }

    public override string ToString() => $"{Kind} {Id}";
}
