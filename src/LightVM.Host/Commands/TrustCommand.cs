using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Trust;

namespace LightVM.Host.Commands;

/// <summary>This host's own key and its peers. They are this machine's, whatever host the other commands work on.</summary>
internal static class TrustCommand
{
    public static Command Make(CommandLine line) => new("trust", "Say which hosts may send domains here, and are sent domains from here")
    {
        Init(line),
        Show(line),
        Add(line),
        List(line),
        Remove(line),
    };

    private static Command Init(CommandLine line)
    {
        var force = new Option<bool>("--force") { Description = "Replace the key that there is: peers have to admit this host anew" };
        return line.Define(new Command("init", "Make this host's own key and certificate") { force }, context => Answer(context, context.Session.OpenTrust().CreateIdentity(context.Get(force))));
    }

    private static Command Show(CommandLine line)
    {
        var name = new Argument<string?>("NAME") { Description = "Name of a peer; this host itself when not given", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => null };
        return line.Define(new Command("show", "Show a certificate, to be admitted elsewhere") { name }, context =>
        {
            var trust = context.Session.OpenTrust();
            return Answer(context, context.Get(name) is { } peer ? trust.GetPeer(peer) : trust.GetIdentity());
        });
    }

    private static Command Add(CommandLine line)
    {
        var name = new Argument<string>("NAME") { Description = "The name by which it is connected to" };
        var file = new Argument<string?>("FILE") { Description = "Its certificate, as 'trust show' shows it there; - is standard input", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => null };
        var fingerprint = new Option<string?>("--fingerprint") { Description = "Its fingerprint, instead of a certificate", HelpName = "FINGERPRINT" };
        var force = new Option<bool>("--force") { Description = "Replace what is kept under this name" };
        return line.Define(new Command("add", "Admit a peer") { name, file, fingerprint, force }, context =>
        {
            var trust = context.Session.OpenTrust();
            var (peer, replace) = (context.Get(name), context.Get(force));
            return (context.Get(file), context.Get(fingerprint)) switch
            {
                (null, { } given) => Answer(context, trust.Admit(peer, given, replace)),
                ("-", null) => Answer(context, trust.Admit(peer, ReadInput(context), replace)),
                ({ } path, null) => Answer(context, trust.AdmitFile(peer, path, replace)),
                _ => throw new UsageException("Give either FILE or --fingerprint. Try 'lightvm trust add --help'."),
            };
        });
    }

    private static Command List(CommandLine line) => line.Define(new Command("list", "List this host and its peers with their fingerprints"), context =>
    {
        var trust = context.Session.OpenTrust();
        var outcome = new Outcome();
        var entries = new List<TrustEntry>();
        Try(() =>
        {
            if (trust.FindIdentity() is { } identity) entries.Add(identity);
        });
        foreach (var name in trust.ListPeers()) Try(() => entries.Add(trust.GetPeer(name)));
        context.Answer(
            json => json.WriteArray(entries, WriteJson),
            text =>
            {
                var table = new Table(("Name", -16), ("Kind", -4), ("Since", -16), ("Fingerprint", -1));
                foreach (var entry in entries) table.Add(entry.Name, entry.IsSelf ? "self" : "peer", Local(entry.Created), entry.Fingerprint);
                table.Write(text);
            });
        return outcome.ExitCode;

        void Try(Action action)
        {
            try
            {
                action();
            }
            catch (LvmException error)
            {
                outcome.Add(context.Report(error));
            }
        }
    });

    private static Command Remove(CommandLine line)
    {
        var names = new Argument<string[]>("NAME") { Description = "Name of a peer", Arity = ArgumentArity.OneOrMore };
        return line.Define(new Command("remove", "End trust in peers") { names }, context =>
        {
            var trust = context.Session.OpenTrust();
            var outcome = new Outcome();
            foreach (var name in context.Get(names))
            {
                try
                {
                    trust.RemovePeer(name);
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

    /// <summary>For people and for 'trust add' at once: what stands before a certificate is no part of it.</summary>
    private static int Answer(CommandContext context, TrustEntry entry)
    {
        context.Answer(
            json => WriteJson(json, entry),
            text =>
            {
                text.WriteLine($"Name:        {entry.Name}");
                text.WriteLine($"Fingerprint: {entry.Fingerprint}");
                text.WriteLine($"Since:       {Local(entry.Created)}");
                if (entry.Certificate is not null) text.WriteLine(entry.Certificate);
            });
        return ExitCodes.Ok;
    }

    /// <summary>As much as a certificate can have, and a little more.</summary>
    private static string ReadInput(CommandContext context)
    {
        using var input = context.Session.OpenInput();
        var text = new char[64 << 10];
        return new string(text, 0, input.ReadBlock(text));
    }

    private static string Local(DateTimeOffset time) => time.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    private static void WriteJson(Utf8JsonWriter json, TrustEntry entry)
    {
        json.WriteStartObject();
        json.WriteString("name", entry.Name);
        json.WriteBoolean("self", entry.IsSelf);
        json.WriteString("fingerprint", entry.Fingerprint);
        json.WriteString("certificate", entry.Certificate);
        json.WriteString("created", entry.Created);
        json.WriteString("path", entry.Path);
        json.WriteEndObject();
    }
}
