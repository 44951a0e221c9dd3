using LightVM.Errors;

namespace LightVM.Configuration;

/// <summary>A configuration was refused; <see cref="Errors"/> has every reason, not only the first.</summary>
public sealed class InvalidConfigException : LvmException
{
    public InvalidConfigException(string errorId, string source, IReadOnlyList<ConfigError> errors)
        : base(errorId, $"{source}: {string.Join("; ", errors)}")
    {
        Errors = errors;
    }

    public IReadOnlyList<ConfigError> Errors { get; }
}
