using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Migration;

namespace LightVM.Host.Commands;

internal static class MigrateCommand
{
    public static Command Make(CommandLine line)
    {
        var domain = new Argument<string>("DOMAIN") { Description = "Name, id or uuid of a domain" };
        var host = new Argument<string?>("HOST") { Description = "Where it shall go: a name or an address, or tls://, ssh:// or plain:// and one", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => null };
        var port = new Argument<int?>("PORT") { Description = $"Where the receiver listens; {MigrationPort.Default} when not given", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => null };
        var transport = new Option<MigrationTransport?>("--transport", "-t") { Description = "tls (when not given), ssh or plain", HelpName = "WAY" };
        var peer = new Option<string?>("--peer") { Description = "The name under which the host's key is listed here, where that is not HOST", HelpName = "NAME" };
        var insecure = new Option<bool>("--insecure") { Description = "Let plain TCP leave this machine: whoever is on the way reads and changes the guest" };
        var downtime = new Option<int?>("--max-downtime") { Description = "How long the guest may stand still; where that cannot be kept it stays", HelpName = "MILLISECONDS" };
        var rounds = new Option<int?>("--max-rounds") { Description = "Rounds of copying while the guest runs, at the most; 0 suspends it first", HelpName = "N" };
        var bandwidth = new Option<double?>("--bandwidth") { Description = "Not more than so much a second", HelpName = "MIB" };
        var compare = new Option<bool>("--compare") { Description = "Only ask the host what would prevent it" };
        var resolve = new Option<bool>("--resolve") { Description = "Ask what has become of a move that ended undecided" };
        var keep = new Option<bool>("--keep") { Description = "With --resolve: ask nobody, the guest goes on here; certain that it does not run there" };
        var discard = new Option<bool>("--discard") { Description = "With --resolve: ask nobody, destroy what is left of it here" };
        var chaos = new Option<bool>("--chaos") { Description = "Send it as Chaos does, over plain TCP: nobody says whether it goes on there" };
        var wait = new Option<bool>("-e") { Description = "Without effect, for scripts that were written for Chaos" };
        var command = new Command("migrate", "Move a domain to another host while its guest runs") { domain, host, port, transport, peer, insecure, downtime, rounds, bandwidth, compare, resolve, keep, discard, chaos, wait };
        return line.Define(command, context =>
        {
            if ((context.Get(keep) || context.Get(discard)) && !context.Get(resolve)) throw new UsageException("--keep and --discard belong to --resolve.");
            if (context.Get(keep) && context.Get(discard)) throw new UsageException("--keep and --discard exclude each other.");
            if (context.Get(resolve) && (context.Get(compare) || context.Get(host) is not null)) throw new UsageException("--resolve asks the host that the domain was moved to, and compares nothing.");
            if (context.Get(chaos) && (context.Get(compare) || context.Get(resolve))) throw new UsageException("Who takes what Chaos sends answers no questions: --chaos excludes --compare and --resolve.");
            if (context.Get(chaos) && context.Get(transport) is not (null or MigrationTransport.Plain)) throw new UsageException("--chaos goes over plain TCP.");
            if (!context.Get(resolve) && context.Get(host) is null) throw new UsageException("Required argument missing: HOST.");
            if (context.Get(downtime) is < 1) throw new UsageException("--max-downtime must be at least 1.");
            if (context.Get(rounds) is < 0) throw new UsageException("--max-rounds must not be negative.");
            if (context.Get(bandwidth) is <= 0 or > 1e6) throw new UsageException("--bandwidth must be above 0 and at most 1000000.");
            using (context.Catch())
            {
                var lvm = context.Host;
                if (context.Get(resolve)) return Resolve(context, lvm, lvm.GetDomain(context.Get(domain)), context.Get(keep), context.Get(discard));
                var target = MigrationTarget.Parse(context.Get(host)!);
                target = target with
                {
                    Transport = context.Get(chaos) ? MigrationTransport.Plain : context.Get(transport) ?? target.Transport,
                    Port = context.Get(port) ?? target.Port,
                    PeerName = context.Get(peer) ?? target.PeerName,
                    Insecure = context.Get(insecure) || target.Insecure,
                };
                if (target.Port is < 1 or > 65535) throw new UsageException($"{target.Port} is no port: they go from 1 to 65535.");
                var found = lvm.GetDomain(context.Get(domain));
                if (context.Get(compare)) return Compare(context, lvm, found, target);
                var options = new MoveOptions();
                options = options with
                {
                    MaximumDowntime = context.Get(downtime) is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : null,
                    MaximumRounds = context.Get(rounds) ?? options.MaximumRounds,
                    Bandwidth = context.Get(bandwidth) is { } mib ? Math.Max(1, (long)(mib * (1 << 20))) : null,
                };
                return Move(context, context.Get(chaos) ? lvm.Moves.SendAsChaos : lvm.Moves.Move, found, target, options);
            }
        });
    }

    private delegate MoveResult Mover(DomainKey key, MigrationTarget target, MoveOptions? options, Action<MoveProgress>? progress, CancellationToken cancellation);

    private static int Move(CommandContext context, Mover move, Domain domain, MigrationTarget target, MoveOptions options)
    {
        var result = move(domain.Key, target, options, progress => Say(context, progress), context.Cancellation);
        foreach (var warning in result.Warnings) context.Session.Error.WriteLine($"lightvm: warning: {warning}.");
        context.Answer(json => WriteJson(json, result), text => text.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Name}  {result.Target}  {result.BytesSent >> 10} KiB  {result.TotalTime.TotalSeconds:0.000} s, stood still {result.Downtime.TotalMilliseconds:0} ms")));
        return ExitCodes.Ok;
    }

    private static int Compare(CommandContext context, LvmHost host, Domain domain, MigrationTarget target)
    {
        var report = host.Moves.Compare(domain.Key, target, cancellation: context.Cancellation);
        context.Answer(json => WriteJson(json, report), text =>
        {
            text.WriteLine($"{report.Name}  {report.Target}  {(report.IsPossible ? report.IsLive ? "can be moved" : "can be moved, not while its guest runs" : "cannot be moved")}");
            foreach (var obstacle in report.Obstacles) text.WriteLine($"  {obstacle.ErrorId}: {obstacle.Problem}{(obstacle.IsWarning ? " (only a warning)" : "")}");
        });
        return report.IsPossible ? ExitCodes.Ok : ExitCodes.Of(ErrorCatalog.All.FirstOrDefault(row => row.Id == report.Obstacles.First(each => !each.IsWarning).ErrorId)?.Kind ?? ErrorKind.Failure);
    }

    private static int Resolve(CommandContext context, LvmHost host, Domain domain, bool keep, bool discard)
    {
        bool? isThere;
        if (keep || discard)
        {
            host.Moves.Decide(domain.Key, here: keep);
            isThere = discard;
        }
        else
        {
            isThere = host.Moves.Resolve(domain.Key, context.Cancellation);
        }

        var what = isThere switch { true => "there", false => "here", null => "decided" };
        context.Answer(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("name", domain.Name);
                json.WriteString("uuid", domain.Uuid);
                json.WriteString("goesOn", what);
                json.WriteEndObject();
            },
            text => text.WriteLine(isThere is null ? $"{domain.Name}  no move of it has ended undecided" : $"{domain.Name}  goes on {what}"));
        return ExitCodes.Ok;
    }

    /// <summary>A line for each round, for whoever sits in front of it.</summary>
    private static void Say(CommandContext context, MoveProgress progress)
    {
        if (context.Settings.Json || context.Settings.Quiet || Console.IsErrorRedirected) return;
        context.Session.Error.WriteLine(progress.Phase switch
        {
            MovePhase.Asking => "asking the other host",
            MovePhase.Copying => string.Create(CultureInfo.InvariantCulture, $"round {progress.Round}: {progress.PagesDirty * 4 >> 10} of {progress.PagesTotal * 4 >> 10} MiB to send, {progress.BytesPerSecond >> 20} MiB/s, would stand still {progress.EstimatedDowntime?.TotalMilliseconds ?? double.NaN:0} ms"),
            MovePhase.Stopping => "the guest stands still",
            _ => "the guest is handed over",
        });
        context.Session.Error.Flush();
    }

    private static void WriteJson(Utf8JsonWriter json, MoveResult result)
    {
        json.WriteStartObject();
        json.WriteString("name", result.Name);
        json.WriteString("uuid", result.Uuid);
        json.WriteString("target", result.Target.ToString());
        if (result.TargetId is { } id) json.WriteNumber("targetId", id);
        else json.WriteNull("targetId");
        json.WriteBoolean("live", result.IsLive);
        json.WriteNumber("rounds", result.Rounds);
        json.WriteNumber("bytes", result.BytesSent);
        json.WriteMilliseconds("milliseconds", result.TotalTime);
        json.WriteMilliseconds("downtimeMilliseconds", result.Downtime);
        if (result.StartTime is { } start) json.WriteMilliseconds("startMilliseconds", start);
        else json.WriteNull("startMilliseconds");
        json.WritePropertyName("warnings");
        json.WriteArray(result.Warnings, (writer, warning) => writer.WriteStringValue(warning));
        json.WriteEndObject();
    }

    private static void WriteJson(Utf8JsonWriter json, MoveReport report)
    {
        json.WriteStartObject();
        json.WriteString("name", report.Name);
        json.WriteString("uuid", report.Uuid);
        json.WriteString("target", report.Target.ToString());
        json.WriteString("targetName", report.TargetName);
        json.WriteString("targetXen", report.TargetXen);
        json.WriteBoolean("possible", report.IsPossible);
        json.WriteBoolean("live", report.IsLive);
        json.WritePropertyName("obstacles");
        json.WriteArray(report.Obstacles, (writer, obstacle) =>
        {
            writer.WriteStartObject();
            writer.WriteString("errorId", obstacle.ErrorId);
            writer.WriteString("problem", obstacle.Problem);
            writer.WriteBoolean("warning", obstacle.IsWarning);
            writer.WriteEndObject();
        });
        json.WriteEndObject();
    }
}
