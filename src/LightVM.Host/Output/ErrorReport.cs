using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Host.Output;

/// <summary>How failures look on the error stream, and which exit code goes with each.</summary>
internal static class ErrorReport
{
    public static int Write(Session session, bool json, Exception error)
    {
        var output = session.Error;
        if (json) JsonLine.Write(output, writer => WriteJson(writer, error));
        else WriteText(output, error);
        output.Flush();
        return ExitCode(session, error);
    }

    private static int ExitCode(Session session, Exception error) => error switch
    {
        LvmException { Kind: ErrorKind.Cancelled } when session.Signals.ExitCode is { } bySignal => bySignal,
        LvmException known => ExitCodes.Of(known.Kind),
        UsageException => ExitCodes.Usage,
        _ => ExitCodes.Failure,
    };

    private static void WriteText(TextWriter output, Exception error)
    {
        switch (error)
        {
            case InvalidConfigException config:
                foreach (var each in config.Errors) output.WriteLine($"lightvm: {config.Source}{Position(each)}: {each.Path}: {each.Message}");
                output.WriteLine($"lightvm: {config.Remedy}");
                break;
            case LvmException or UsageException:
                output.WriteLine($"lightvm: {error.Message}");
                break;
            case IOException or UnauthorizedAccessException: // the engine's own have an id: this is our standard output
                output.WriteLine($"lightvm: the output cannot be written: {(error.InnerException ?? error).Message}");
                break;
            default: // ours to mend, so with all that helps
                output.WriteLine($"lightvm: internal error: {error}");
                break;
        }
    }

    private static string Position(ConfigError error) => error.Line == 0 ? "" : $":{error.Line}:{error.Column}";

    private static void WriteJson(Utf8JsonWriter json, Exception error)
    {
        var known = error as LvmException;
        var (id, kind) = error switch
        {
            LvmException => (known!.ErrorId, known.Kind.ToString()),
            UsageException => ("Usage", "Usage"),
            _ => ("InternalError", nameof(ErrorKind.Failure)),
        };
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("id", id);
        json.WriteString("kind", kind);
        json.WriteString("operation", known?.Operation);
        json.WriteString("step", known?.Step);
        json.WriteString("domain", known?.Domain);
        json.WriteString("message", error.Message);
        json.WriteString("remedy", known?.Remedy);
        if (known?.Errno is { } errno) json.WriteNumber("errno", errno);
        else json.WriteNull("errno");
        if (known?.HypervisorLog is { Length: > 0 } log) json.WriteString("hypervisorLog", log);
        if (known?.LeftBehind is { } left) json.WriteString("leftBehind", left);
        if (error is InvalidConfigException config)
        {
            json.WritePropertyName("errors");
            json.WriteArray(config.Errors, WriteConfigError);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    public static void WriteConfigError(Utf8JsonWriter json, ConfigError error)
    {
        json.WriteStartObject();
        json.WriteString("path", error.Path);
        json.WriteString("message", error.Message);
        json.WriteNumber("line", error.Line);
        json.WriteNumber("column", error.Column);
        json.WriteEndObject();
    }
}
