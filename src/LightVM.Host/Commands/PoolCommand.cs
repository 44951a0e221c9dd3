using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Pools;

namespace LightVM.Host.Commands;

/// <summary>Pools of domains that are made before they are asked for, by way of the pool daemon.</summary>
internal static class PoolCommand
{
    public static Command Make(CommandLine line) => new("pool", "Say which domains are to be kept ready before they are asked for")
    {
        List(line),
        Add(line),
        Set(line),
        Remove(line),
    };

    private static Command List(CommandLine line)
    {
        var names = new Argument<string[]>("NAME") { Description = "Name of a pool; all when none is given", Arity = ArgumentArity.ZeroOrMore, DefaultValueFactory = _ => [] };
        return line.Define(new Command("list", "List pools, with how they are used") { names }, context =>
        {
            var outcome = new Outcome();
            var pools = context.Host.Pools.List();
            if (context.Get(names) is { Length: > 0 } wanted)
            {
                var found = new List<Pool>();
                foreach (var name in wanted)
                {
                    if (pools.FirstOrDefault(pool => pool.Name == name) is { } pool) found.Add(pool);
                    else outcome.Add(context.Report(new LvmException(ErrorIds.PoolNotFound, $"there is no pool '{name}'")));
                }

                pools = found;
            }

            context.Answer(json => json.WriteArray(pools, WriteJson), text => WriteTable(text, pools));
            return outcome.ExitCode;
        });
    }

    private static Command Add(CommandLine line)
    {
        var name = new Argument<string>("NAME") { Description = "What to call the pool" };
        var file = new Argument<string?>("FILE") { Description = "Configuration of a domain that the pool shall fit (Chaos' JSON)", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => null };
        var built = new Option<bool>("--built") { Description = "Keep domains that have the kernel and the command line of FILE, so that only their start is left" };
        var image = new Option<string?>("--image") { Description = "Keep domains that are restored from a saved one, instead of FILE", HelpName = "IMAGE" };
        var (minimum, maximum, budget) = Numbers();
        return line.Define(new Command("add", "Begin a pool") { name, file, built, image, minimum, maximum, budget }, context =>
        {
            var flavour = (context.Get(file), context.Get(image), context.Get(built)) switch
            {
                ({ } path, null, var isBuilt) => PoolFlavour.Of(DomainConfigJson.ReadFile(path, requireKernel: isBuilt), isBuilt ? ShellKind.Built : ShellKind.Shell),
                (null, { } saved, false) => PoolFlavour.OfImage(saved),
                _ => throw new UsageException("Give either FILE or --image. Try 'lightvm pool add --help'."),
            };
            var usual = new PoolDefinition { Name = context.Get(name), Flavour = flavour };
            var least = context.Get(minimum) ?? usual.Minimum;
            var pool = context.Host.Pools.Add(usual with { Minimum = least, Maximum = context.Get(maximum) ?? Math.Max(least, usual.Maximum), MemoryBudgetMiB = Budget(context.Get(budget)) });
            context.Answer(json => WriteJson(json, pool), _ => { });
            return ExitCodes.Ok;
        });
    }

    private static Command Set(CommandLine line)
    {
        var name = new Argument<string>("NAME") { Description = "Name of a pool" };
        var (minimum, maximum, budget) = Numbers();
        return line.Define(new Command("set", "Change how many domains a pool keeps ready") { name, minimum, maximum, budget }, context =>
        {
            var definition = context.Host.Pools.Get(context.Get(name)).Definition;
            var pool = context.Host.Pools.Set(definition with
            {
                Minimum = context.Get(minimum) ?? definition.Minimum,
                Maximum = context.Get(maximum) ?? definition.Maximum,
                MemoryBudgetMiB = context.Get(budget) is { } given ? Budget(given) : definition.MemoryBudgetMiB,
            });
            context.Answer(json => WriteJson(json, pool), _ => { });
            return ExitCodes.Ok;
        });
    }

    private static Command Remove(CommandLine line)
    {
        var names = new Argument<string[]>("NAME") { Description = "Name of a pool", Arity = ArgumentArity.OneOrMore };
        return line.Define(new Command("remove", "End pools, with the domains that wait in them") { names }, context =>
        {
            var outcome = new Outcome();
            foreach (var name in context.Get(names))
            {
                try
                {
                    context.Host.Pools.Remove(name);
                    context.Say($"{name}: removed");
                }
                catch (LvmException error)
                {
                    outcome.Add(context.Report(error));
                }
            }

            return outcome.ExitCode;
        });
    }

    private static (Option<int?> Minimum, Option<int?> Maximum, Option<int?> Budget) Numbers() => (
        new("--minimum") { Description = "How many to keep ready at least", HelpName = "N" },
        new("--maximum") { Description = "How many to keep ready at the most", HelpName = "N" },
        new("--budget") { Description = "Memory that they may take together, MiB; 0 for no limit of its own", HelpName = "MIB" });

    private static int? Budget(int? given) => given == 0 ? null : given;

    private static void WriteTable(TextWriter output, IReadOnlyList<Pool> pools)
    {
        var table = new Table(("Name", -16), ("Kind", -8), ("Type", -4), ("Mem", 5), ("VCPUs", 5), ("Ready", 5), ("Target", 6), ("Max", 4), ("Hits", 6), ("Misses", 6), ("Rate/s", 6), ("Make", 8), ("Oldest", 8), ("Problem", -1));
        foreach (var pool in pools)
        {
            var flavour = pool.Definition.Flavour;
            table.Add(
                pool.Name,
                flavour.Kind.ToString(),
                flavour.Type.ToString(),
                Number(flavour.MemoryMiB),
                Number(flavour.VcpuCount),
                Number(pool.ReadyCount),
                Number(pool.TargetCount),
                Number(pool.Definition.Maximum),
                Number(pool.Hits),
                Number(pool.Misses),
                pool.TakeRate.ToString("F1", CultureInfo.InvariantCulture),
                pool.MakeTime is { } time ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:F1} ms") : "-",
                pool.OldestTime is { } oldest ? string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, (DateTimeOffset.UtcNow - oldest).TotalSeconds):F0} s") : "-",
                pool.Problem ?? "");
        }

        table.Write(output);
    }

    private static void WriteJson(Utf8JsonWriter json, Pool pool)
    {
        json.WriteStartObject();
        PoolJson.Write(json, pool);
        json.WriteEndObject();
    }

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);
}
