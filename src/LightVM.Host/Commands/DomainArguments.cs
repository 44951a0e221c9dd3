using System.CommandLine;
using System.Text.Json;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Host.Commands;

/// <summary>Commands that do the same to each of several domains: one that fails does not keep the others from being tried.</summary>
internal static class DomainArguments
{
    public static Argument<string[]> Make() => new("DOMAIN")
    {
        Description = "Name, id or uuid of a domain",
        Arity = ArgumentArity.OneOrMore,
    };

    /// <param name="operation">What is done, for messages: "pause".</param>
    /// <param name="jobs">How many domains it is done to at once.</param>
    /// <param name="act">Does it, and gives the domain as it was left.</param>
    public static int ForEach(CommandContext context, string[] references, string operation, int jobs, Func<LvmHost, Domain, Domain> act)
    {
        var host = context.Host;
        var outcome = new Outcome();
        var done = new Domain?[references.Length];
        using (context.Catch())
        {
            var domains = host.Lookup();
            // One that stands alone needs no thread.
            using var queue = new WorkQueue<int, Domain>(references.Length == 1 ? 1 : jobs, (index, _) => act(host, domains.Find(references[index])), context.Cancellation);
            for (var i = 0; i < references.Length; i++)
            {
                queue.Add(i);
                while (queue.TryTake(out var each)) Tell(each);
            }

            queue.Complete();
            while (queue.Take(out var each)) Tell(each);
        }

        context.Answer(json => json.WriteArray(done.Where(domain => domain is not null).ToList(), (writer, domain) => DomainOutput.WriteJson(writer, domain!)));
        return outcome.ExitCode;

        void Tell(WorkOutcome<int, Domain> each)
        {
            done[each.Item] = each.Result;
            if (each.Error is { } error) outcome.Add(context.Report(error.During(operation, references[each.Item])));
        }
    }

    /// <summary>Does something to all of several domains at once.</summary>
    /// <param name="operation">What is done, for messages: "shut down".</param>
    /// <param name="act">Does it, and gives the outcomes as they come.</param>
    /// <param name="say">Told of each that succeeded, with the domain as it is, or as it was where it is gone.</param>
    /// <param name="canBeGone">Whether a domain that there is not is none to be told of.</param>
    public static int ForAll(
        CommandContext context,
        string[] references,
        string operation,
        Func<LvmHost, IReadOnlyCollection<DomainKey>, IEnumerable<DomainOutcome>> act,
        Action<DomainOutcome, Domain>? say = null,
        Action<Utf8JsonWriter, DomainOutcome, Domain>? writeJson = null,
        bool canBeGone = false)
    {
        var host = context.Host;
        var outcome = new Outcome();
        var found = new Dictionary<DomainKey, Domain>();
        var done = new List<(DomainOutcome Outcome, Domain Domain)>(references.Length);
        using (context.Catch())
        {
            var domains = host.Lookup();
            foreach (var reference in references)
            {
                try
                {
                    var domain = domains.Find(reference);
                    found.TryAdd(domain.Key, domain);
                }
                catch (LvmException error) when (!canBeGone || error.ErrorId != ErrorIds.DomainNotFound)
                {
                    outcome.Add(context.Report(error.During(operation, reference)));
                }
                catch (LvmException)
                {
                    // That is what was asked for.
                }
            }

            foreach (var each in found.Count == 0 ? [] : act(host, found.Keys))
            {
                if (each.Error is { } error)
                {
                    outcome.Add(context.Report(error));
                    continue;
                }

                var domain = each.Domain ?? found[each.Key];
                done.Add((each, domain));
                say?.Invoke(each, domain);
            }
        }

        writeJson ??= (json, _, domain) => DomainOutput.WriteJson(json, domain);
        context.Answer(json => json.WriteArray(done, (writer, each) => writeJson(writer, each.Outcome, each.Domain)));
        return outcome.ExitCode;
    }
}
