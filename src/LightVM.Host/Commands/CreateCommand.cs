using System.CommandLine;
using System.CommandLine.Completions;
using System.Globalization;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Host.Commands;

internal static class CreateCommand
{
    public static Command Make(CommandLine line)
    {
        var file = new Argument<string?>("FILE") { Description = "Configuration file (Chaos' JSON)", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => null };
        var guest = new Option<string>("--guest", "-g") { Description = "Instead of a file: a guest that comes with LightVM, by its name", HelpName = "GUEST" };
        guest.CompletionSources.Add(_ => GuestImages.Installed.Names.Select(each => new CompletionItem(each)));
        var words = new Option<string>("--cmdline") { Description = "With --guest: its command line", HelpName = "TEXT" };
        var bridge = new Option<string>("--bridge") { Description = "With --guest: give it a network interface on this bridge", HelpName = "BRIDGE" };
        var pvh = new Option<bool>("--pvh") { Description = "With --guest: as PVH, not PV" };
        var count = new Option<int?>("--count", "-n")
        {
            Description = "How many to create; their names are numbered from 1, even with a count of 1",
            HelpName = "N",
            CustomParser = result =>
            {
                if (!int.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out var number) || number < 1)
                    result.AddError("Option '--count' must be a whole number, 1 or more.");
                return number;
            },
        };
        var name = new Option<string>("--name") { Description = "Name to use instead of the file's or the guest's", HelpName = "NAME" };
        var pattern = new Option<string>("--name-pattern") { Description = "With -n, what the names are: {0} is the number, {0:d4} with four digits, {1} the name", HelpName = "PATTERN" };
        var jobs = JobsOption.Make();
        var shell = new Option<bool>("--shell", "-s") { Description = "Have the pool daemon create them; else a waiting domain that fits is used all the same, which is quicker" };
        var noStore = new Option<bool>("--no-xs") { Description = "Devices by noxs, whatever the file says: no request to Xenstore at all" };
        var noNoxs = new Option<bool>("--no-noxs") { Description = "Devices by Xenstore, whatever the file or the kernel says" };
        var paused = new Option<bool>("--paused") { Description = "Leave the new domain paused" };
        var timings = new Option<bool>("--timings") { Description = "Show how long each step took" };
        var command = new Command("create", "Create domains from a configuration file and start them") { file, guest, words, bridge, pvh, count, name, pattern, jobs, shell, noStore, noNoxs, paused, timings };
        return line.Define(command, context =>
        {
            if (context.Get(pattern) is not null && context.Get(count) is null) throw new UsageException("a pattern for names (--name-pattern) is for several domains (--count)");
            if (context.Get(noStore) && context.Get(noNoxs)) throw new UsageException("without Xenstore (--no-xs) and without noxs (--no-noxs) a guest would have no devices at all");
            var (draft, source) = (context.Get(file), context.Get(guest)) switch
            {
                ({ } path, null) when context.Get(words) is null && context.Get(bridge) is null && !context.Get(pvh) => (DomainConfigJson.ReadFile(path).ToDraft(), path),
                ({ }, null) => throw new UsageException("--cmdline, --bridge and --pvh are for a guest (--guest): a file says these things itself"),
                (null, { } known) => (DraftOf(known, context.Get(words), context.Get(bridge), context.Get(pvh)), $"guest '{known}'"),
                _ => throw new UsageException("a file, or the name of a guest (--guest), says what is to be created: one of the two"),
            };
            draft.Name = context.Get(name) ?? draft.Name;
            draft.DeviceMethod = context.Get(noStore) ? DeviceMethod.Noxs : context.Get(noNoxs) ? DeviceMethod.Xenstore : draft.DeviceMethod;
            draft.Paused = draft.Paused == true || context.Get(paused);
            var configs = DomainSeries.Of(DomainConfig.From(draft, source), source, context.Get(count), context.Get(pattern));
            return Create(context, configs, context.Get(jobs), context.Get(timings), context.Get(shell));
        });
    }

    private static DomainConfigDraft DraftOf(string guest, string? words, string? bridge, bool pvh) => new()
    {
        Name = guest,
        Kernel = GuestImages.Installed.Find(guest),
        CommandLine = words,
        MemoryMiB = GuestImages.MemoryMiB,
        VcpuCount = 1,
        Type = pvh ? GuestType.PVH : GuestType.PV,
        Vifs = bridge is null ? null : [new NetworkConfig(null, null, bridge)],
    };

    private static int Create(CommandContext context, IReadOnlyList<DomainConfig> configs, int jobs, bool timings, bool byDaemon)
    {
        var host = context.Host;
        var outcome = new Outcome();
        var created = new Domain?[configs.Count];
        // All would fail in the way in which one has: that is told once, and ends it.
        string? ended = null;
        using (context.Catch())
        {
            if (configs.Count > 1) host.Admit(configs);
            using var queue = new WorkQueue<int, Domain?>(configs.Count == 1 ? 1 : jobs, (index, cancellation) => Volatile.Read(ref ended) is null ? CreateOne(configs[index], cancellation) : null, context.Cancellation);
            for (var i = 0; i < configs.Count && ended is null; i++)
            {
                queue.Add(i);
                while (queue.TryTake(out var each)) Tell(each);
            }

            queue.Complete();
            while (queue.Take(out var each)) Tell(each);
        }

        var there = created.OfType<Domain>().ToList();
        if (outcome.Failed && configs.Count > 1) context.Say($"created {there.Count} of {configs.Count}");
        context.Answer(json => json.WriteArray(there, DomainOutput.WriteJson));
        return outcome.ExitCode;

        Domain CreateOne(DomainConfig config, CancellationToken cancellation) => byDaemon ? host.Pools.CreateDomain(config, cancellation) : host.CreateDomain(config, cancellation);

        void Tell(WorkOutcome<int, Domain?> each)
        {
            if (each.Result is { } domain)
            {
                created[each.Item] = domain;
                Show(context, domain, timings);
            }
            else if (each.Error is { } error && error.ErrorId != ended)
            {
                outcome.Add(context.Report(error));
                if (!DomainSeries.GoesOnAfter(error)) Volatile.Write(ref ended, error.ErrorId);
            }
        }
    }

    private static void Show(CommandContext context, Domain domain, bool timings)
    {
        var creation = domain.Creation!;
        context.Say($"{domain.Name}  id {domain.Id}  {Milliseconds(creation.Duration)} ms{(creation.Pool is { } pool ? $"  (pool {pool})" : "")}");
        if (!timings) return;
        foreach (var step in creation.Steps) context.Say($"  {step.Name,-10}{Milliseconds(step.Duration),10} ms");
        var between = creation.Duration - creation.Steps.Aggregate(TimeSpan.Zero, (sum, step) => sum + step.Duration);
        context.Say($"  {"(checks)",-10}{Milliseconds(between),10} ms");
    }

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("F2", CultureInfo.InvariantCulture);
}
