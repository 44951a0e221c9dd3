using System.CommandLine;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Host.Output;

namespace LightVM.Host.Commands;

internal static class ConfigCommand
{
    public static Command Make(CommandLine line)
    {
        var files = new Argument<string[]>("FILE") { Description = "Configuration files", Arity = ArgumentArity.OneOrMore };
        var check = new Command("check", "Check configuration files without creating anything") { files };
        line.Define(check, context => Check(context, context.Get(files)));
        return new Command("config", "Work with configuration files") { check };
    }

    private static int Check(CommandContext context, string[] files)
    {
        var outcome = new Outcome();
        var results = new List<(string File, LvmException? Error)>(files.Length);
        foreach (var file in files)
        {
            try
            {
                DomainConfigJson.ReadFile(file);
                results.Add((file, null));
                context.Say($"{file}: ok");
            }
            catch (LvmException error)
            {
                results.Add((file, error));
                // The verdict on each file is this command's result: with --json it stands there, and nowhere else.
                outcome.Add(context.Settings.Json ? ExitCodes.Of(error.Kind) : context.Report(error));
            }
        }

        context.Answer(json => json.WriteArray(results, (writer, result) =>
        {
            writer.WriteStartObject();
            writer.WriteString("file", result.File);
            writer.WriteBoolean("valid", result.Error is null);
            writer.WriteString("id", result.Error?.ErrorId);
            writer.WriteString("message", result.Error?.Message);
            writer.WritePropertyName("errors");
            writer.WriteArray(result.Error is InvalidConfigException invalid ? invalid.Errors : [], ErrorReport.WriteConfigError);
            writer.WriteEndObject();
        }));
        return outcome.ExitCode;
    }
}
