using System.CommandLine;
using System.Text.Json;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Hosts;

namespace LightVM.Host.Commands;

/// <summary>What the commands for interfaces and those for disks share.</summary>
internal static class DeviceArguments
{
    public static Argument<string> Domain() => new("DOMAIN") { Description = "Name, id or uuid of the domain" };

    public static Argument<string[]> Domains() => new("DOMAIN")
    {
        Description = "Name, id or uuid of a domain; all domains when none is given",
        Arity = ArgumentArity.ZeroOrMore,
        DefaultValueFactory = _ => [],
    };

    public static Option<bool> Force() => new("--force") { Description = "Take it away at once, without the guest's consent" };

    /// <summary>Adds or removes one device of one domain. Failures are those of the command.</summary>
    /// <param name="operation">What is done, for messages: "add a disk to".</param>
    /// <param name="change">Does it, and gives the device as it is, or as it was.</param>
    /// <param name="say">A line for people; null for none.</param>
    public static int Change<T>(
        CommandContext context,
        string reference,
        string operation,
        Func<LvmHost, Domain, T> change,
        Action<Utf8JsonWriter, T> writeJson,
        Func<T, string>? say = null)
    {
        var host = context.Host;
        T device;
        using (context.Catch())
        {
            try
            {
                device = change(host, host.GetDomain(reference));
            }
            catch (LvmException error)
            {
                throw error.During(operation, reference);
            }
        }

        if (say is not null) context.Say(say(device));
        context.Answer(json => json.WriteArray([device], writeJson));
        return ExitCodes.Ok;
    }

    /// <summary>Lists devices of some domains, or of all. A domain that there is none of does not keep the others' from being listed.</summary>
    public static int List<T>(
        CommandContext context,
        string[] references,
        Func<LvmHost, IReadOnlyCollection<Domain>, IReadOnlyList<T>> list,
        Action<TextWriter, IEnumerable<T>> writeTable,
        Action<Utf8JsonWriter, T> writeJson)
    {
        var host = context.Host;
        var outcome = new Outcome();
        var domains = new Dictionary<uint, Domain>();
        foreach (var reference in references)
        {
            try
            {
                var domain = host.GetDomain(reference);
                domains.TryAdd(domain.Id, domain);
            }
            catch (LvmException error)
            {
                outcome.Add(context.Report(error.During("list the devices of", reference)));
            }
        }

        var devices = list(host, references.Length == 0 ? host.ListDomains() : domains.Values);
        context.Answer(json => json.WriteArray(devices, writeJson), text => writeTable(text, devices));
        return outcome.ExitCode;
    }
}
