using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Services;

namespace LightVM.Host.Commands;

internal static class ServiceCommand
{
    public static Command Make(CommandLine line)
    {
        var list = line.Define(new Command("list", "List the services and how they do"), context =>
        {
            Answer(context, context.Host.Services.List());
            return ExitCodes.Ok;
        });
        return new Command("service", "Look at, start and stop the daemons of this toolstack")
        {
            list,
            Change(line, "start", "Start services, and wait until they are ready", (services, name, cancellation) => services.Start(name, cancellation)),
            Change(line, "stop", "Stop services, and wait until they have ended", (services, name, cancellation) => services.Stop(name, cancellation)),
        };
    }

    private static Command Change(CommandLine line, string verb, string description, Func<HostServices, string, CancellationToken, HostService> change)
    {
        var names = new Argument<string[]>("NAME") { Description = "Name of a service", Arity = ArgumentArity.OneOrMore };
        return line.Define(new Command(verb, description) { names }, context =>
        {
            var outcome = new Outcome();
            var done = new List<HostService>();
            using (context.Catch())
            {
                foreach (var name in context.Get(names))
                {
                    try
                    {
                        done.Add(change(context.Host.Services, name, context.Cancellation));
                    }
                    catch (LvmException error)
                    {
                        outcome.Add(context.Report(error));
                    }
                }
            }

            context.Answer(json => json.WriteArray(done, WriteJson));
            return outcome.ExitCode;
        });
    }

    private static void Answer(CommandContext context, IReadOnlyList<HostService> services) => context.Answer(
        json => json.WriteArray(services, WriteJson),
        text =>
        {
            var table = new Table(("Name", -8), ("State", -8), ("Process", 8), ("Version", -8), ("Vifs", 5), ("Vbds", 5), ("Shells", 6), ("Started", -1));
            foreach (var service in services)
            {
                table.Add(
                    service.Name,
                    service.State.ToString(),
                    Number(service.ProcessId),
                    service.Version ?? "-",
                    Number(service.NetworkAdapterCount),
                    Number(service.DiskCount),
                    Number(service.ShellCount),
                    service.StartTime?.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "-");
            }

            table.Write(text);
        });

    private static void WriteJson(Utf8JsonWriter json, HostService service)
    {
        json.WriteStartObject();
        json.WriteString("name", service.Name);
        json.WriteString("description", service.Description);
        json.WriteString("state", service.State.ToString());
        json.WriteString("unit", service.Unit);
        WriteNumber("process", service.ProcessId);
        if (service.StartTime is { } start) json.WriteString("startTime", start);
        else json.WriteNull("startTime");
        json.WriteString("version", service.Version);
        WriteNumber("vifs", service.NetworkAdapterCount);
        WriteNumber("vbds", service.DiskCount);
        WriteNumber("shells", service.ShellCount);
        WriteNumber("clients", service.ClientCount);
        json.WriteEndObject();

        void WriteNumber(string name, int? number)
        {
            if (number is { } value) json.WriteNumber(name, value);
            else json.WriteNull(name);
        }
    }

    private static string Number(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "-";
}
