using System.CommandLine;
using LightVM.Host.Output;
using LightVM.Hosts;

namespace LightVM.Host.Commands;

internal static class CheckCommand
{
    private static readonly HostCheck Simulated = new("Host", HostCheckStatus.Passed, "simulated, needs nothing", "");

    public static Command Make(CommandLine line) =>
        line.Define(new Command("check", "Check whether this machine can run domains, and say what to do where it cannot"), context =>
        {
            var checks = context.Settings.Simulated ? [Simulated] : context.Session.CheckHost();
            context.Answer(
                json => json.WriteArray(checks, (writer, check) =>
                {
                    writer.WriteStartObject();
                    writer.WriteString("name", check.Name);
                    writer.WriteString("status", check.Status.ToString());
                    writer.WriteString("detail", check.Detail);
                    writer.WriteString("remedy", check.Remedy);
                    writer.WriteEndObject();
                }),
                text =>
                {
                    var table = new Table(("Check", -12), ("Result", -7), ("Found", -1));
                    foreach (var check in checks)
                    {
                        table.Add(check.Name, check.Status.ToString(), check.Detail);
                        if (check.Remedy.Length > 0) table.Add("", "", $"-> {check.Remedy}");
                    }

                    table.Write(text);
                });
            return checks.Any(check => check.Status == HostCheckStatus.Failed) ? ExitCodes.Failure : ExitCodes.Ok;
        });
}
