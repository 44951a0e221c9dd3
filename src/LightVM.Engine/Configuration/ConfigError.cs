namespace LightVM.Configuration;

/// <summary>One thing that is wrong with a domain configuration.</summary>
/// <param name="Path">The JSON path of the value, "$.vifs[0].mac"; "$" for the whole file.</param>
/// <param name="Message">What is wrong with it, a sentence without a full stop.</param>
/// <param name="Line">Its line in the file, from 1; 0 where the configuration did not come from a file.</param>
/// <param name="Column">Its column in bytes, from 1; 0 where the configuration did not come from a file.</param>
public sealed record ConfigError(string Path, string Message, int Line = 0, int Column = 0)
{
    public override string ToString() => Line > 0 ? $"{Path} (line {Line}, column {Column}): {Message}" : Path == "$" ? Message : $"{Path}: {Message}";
}
