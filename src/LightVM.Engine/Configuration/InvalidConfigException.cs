using LightVM.Errors;

namespace LightVM.Configuration;

/// <summary>A configuration was refused; <see cref="Errors"/> has every reason, not only the first.</summary>
public sealed class InvalidConfigException : LvmException
{
    /// <summary>Errors that the message quotes; all of them are in <see cref="Errors"/>.</summary>
    private const int MaxInMessage = 20;

    public InvalidConfigException(string errorId, string source, IReadOnlyList<ConfigError> errors)
        : base(errorId, $"{source}: {string.Join("; ", errors.Take(MaxInMessage))}{(errors.Count > MaxInMessage ? $"; and {errors.Count - MaxInMessage} more" : "")}")
    {
        Errors = errors;
        Source = source;
    }

    public IReadOnlyList<ConfigError> Errors { get; }
}
