using System.CommandLine;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Hosts;

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
    /// <param name="act">Does it, and gives the domain as it was left.</param>
    public static int ForEach(CommandContext context, string[] references, string operation, Func<LvmHost, Domain, Domain> act)
    {
        var host = context.Host;
        var outcome = new Outcome();
        var done = new List<Domain>(references.Length);
        using (context.Catch())
        {
            foreach (var reference in references)
            {
                try
                {
                    if (context.Cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled before its turn came");
                    done.Add(act(host, host.GetDomain(reference)));
                }
                catch (LvmException error)
                {
                    outcome.Add(context.Report(error.During(operation, reference)));
                }
            }
        }

        context.Answer(json => json.WriteArray(done, DomainOutput.WriteJson));
        return outcome.ExitCode;
    }
}
