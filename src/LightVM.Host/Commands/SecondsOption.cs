using System.CommandLine;
using System.Globalization;

namespace LightVM.Host.Commands;

internal static class SecondsOption
{
    /// <summary>The option "--timeout SECONDS".</summary>
    public static Option<TimeSpan?> Make(string description) => new("--timeout")
    {
        Description = description,
        HelpName = "SECONDS",
        CustomParser = result =>
        {
            if (double.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= 1e6)
                return TimeSpan.FromSeconds(seconds);
            result.AddError("Option '--timeout' must be a number of seconds, above 0 and at most 1000000.");
            return null;
        },
    };
}
