using System.Globalization;
using System.Text;
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
    /// <param name="pattern">What the names are, as a format of .NET: {0} is the number, {0:d4} with four digits, {1} the configuration's name. "{1}{0}" where nothing is said.</param>
    public static IReadOnlyList<DomainConfig> Of(DomainConfig config, string source, int? count, string? pattern = null)
    {
        if (count is not int number) return [config];
        if (number > 1 && config.Uuid is not null)
            throw new InvalidConfigException(ErrorIds.ConfigInvalid, source, [new ConfigError("$.uuid", $"cannot be that of {number} domains")]);

        var format = Parse(pattern ?? "{1}{0}", source);
        // Of equal length or longer than all others: when it is a name, all are.
        Numbered(config, source, format, number);
        var series = Enumerable.Range(1, number).Select(index => Numbered(config, source, format, index)).ToList();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var each in series)
        {
            if (!names.Add(each.Name)) throw new InvalidConfigException(ErrorIds.ConfigInvalid, source, [new ConfigError("$.name", $"'{pattern}' gives several domains the name '{each.Name}'; {{0}} stands for the number")]);
        }

        return series;
    }

    /// <summary>Whether the rest of a series is worth trying after one has failed: only when the failure is about that one's name.</summary>
    public static bool GoesOnAfter(LvmException error) => error.ErrorId == ErrorIds.DomainNameTaken;

    private static CompositeFormat Parse(string pattern, string source)
    {
        try
        {
            var format = CompositeFormat.Parse(pattern);
            _ = string.Format(CultureInfo.InvariantCulture, format, 1, "name"); // {0:?} is found only now
            return format;
        }
        catch (FormatException error)
        {
            throw new InvalidConfigException(ErrorIds.ConfigInvalid, source, [new ConfigError("$.name", $"'{pattern}' is no pattern for names: {error.Message.TrimEnd('.')}")]);
        }
    }

    private static DomainConfig Numbered(DomainConfig config, string source, CompositeFormat format, int index)
    {
        var draft = config.ToDraft();
        draft.Name = string.Format(CultureInfo.InvariantCulture, format, index, config.Name);
        return DomainConfig.From(draft, source);
    }
}
