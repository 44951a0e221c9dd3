using System.Globalization;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Domains;

/// <summary>The domains that one configuration stands for.</summary>
public static class DomainSeries
{
    /// <summary>
    /// The configurations to create. Without a count it is the one given; with a count, even of one, the names are numbered
    /// from 1: web1, web2, … All are valid before the first is used. Errors: ConfigInvalid.
    /// </summary>
    /// <param name="source">Where the configuration came from, for the message.</param>
    public static IReadOnlyList<DomainConfig> Of(DomainConfig config, string source, int? count)
    {
        if (count is not int number) return [config];
        if (number > 1 && config.Uuid is not null)
            throw new InvalidConfigException(ErrorIds.ConfigInvalid, source, [new ConfigError("$.uuid", $"cannot be that of {number} domains")]);

        // Of equal length or longer than all others: when it is a name, all are.
        Numbered(config, source, number);
        return Enumerable.Range(1, number).Select(index => Numbered(config, source, index)).ToList();
    }

    /// <summary>Whether the rest of a series is worth trying after one has failed: only when the failure is about that one's name.</summary>
    public static bool GoesOnAfter(LvmException error) => error.Kind == ErrorKind.Conflict;

    private static DomainConfig Numbered(DomainConfig config, string source, int index)
    {
        var draft = config.ToDraft();
        draft.Name = config.Name + index.ToString(CultureInfo.InvariantCulture);
        return DomainConfig.From(draft, source);
    }
}
