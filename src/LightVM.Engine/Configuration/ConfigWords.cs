using System.Diagnostics.CodeAnalysis;

namespace LightVM.Configuration;

/// <summary>The words that the JSON format has for our enumerations; the reader, the writer and the rules share them.</summary>
internal static class ConfigWords
{
    internal static readonly WordTable<DeviceMethod> DeviceMethods = new(("xenstore", DeviceMethod.Xenstore), ("noxs", DeviceMethod.Noxs));

    internal static readonly WordTable<LifecycleAction> LifecycleActions = new(
        ("destroy", LifecycleAction.Destroy), ("restart", LifecycleAction.Restart), ("preserve", LifecycleAction.Preserve));

    internal static readonly WordTable<DiskType> DiskTypes = new(("phy", DiskType.Phy), ("file", DiskType.File));

    internal static readonly WordTable<DiskAccess> DiskAccesses = new(("r", DiskAccess.ReadOnly), ("w", DiskAccess.ReadWrite));
}

/// <summary>The words of one enumeration.</summary>
internal sealed class WordTable<T>(params (string Word, T Value)[] rows)
    where T : struct, Enum
{
    /// <summary>All words, for a message: "destroy", "restart" or "preserve".</summary>
    internal string Choices =>
        string.Join(", ", rows[..^1].Select(row => $"\"{row.Word}\"")) + $" or \"{rows[^1].Word}\"";

    internal bool TryParse(string word, [NotNullWhen(true)] out T? value)
    {
        var index = Array.FindIndex(rows, row => row.Word == word);
        value = index < 0 ? null : rows[index].Value;
        return index >= 0;
    }

    internal bool Has(T value) => Array.Exists(rows, row => row.Value.Equals(value));

    internal string WordOf(T value) => Array.Find(rows, row => row.Value.Equals(value)).Word;
}
