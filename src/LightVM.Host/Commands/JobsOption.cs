using System.CommandLine;
using System.Globalization;
using LightVM.Hosts;

namespace LightVM.Host.Commands;

/// <summary>How many domains a command works on at once.</summary>
internal static class JobsOption
{
    private const int Most = 64;

    public static Option<int> Make() => new("--jobs", "-j")
    {
        Description = "How many domains to work on at once, 1 to 64; as many as there are CPUs, and 4 at the most, when not given",
        HelpName = "N",
        DefaultValueFactory = _ => WorkQueue.DefaultWorkers,
        CustomParser = result =>
        {
            if (!int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > Most)
                result.AddError($"Option '--jobs' must be a whole number, 1 to {Most}.");
            return number;
        },
    };
}
