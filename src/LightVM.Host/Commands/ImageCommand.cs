using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Images;

namespace LightVM.Host.Commands;

internal static class ImageCommand
{
    public static Command Make(CommandLine line)
    {
        var files = new Argument<string[]>("FILE") { Description = "Saved images", Arity = ArgumentArity.OneOrMore };
        return line.Define(new Command("image", "Show what saved images hold, and whether they are whole") { files }, context => Show(context, context.Get(files)));
    }

    private static int Show(CommandContext context, string[] files)
    {
        var outcome = new Outcome();
        var images = new List<DomainImage>(files.Length);
        var failures = new List<LvmException>();
        using (context.Catch())
        {
            foreach (var file in files)
            {
                try
                {
                    var image = ImageReader.Describe(file, context.Cancellation);
                    images.Add(image);
                    if (image.Failure is not { } failure) continue;
                    // The verdict on each image is this command's result: with --json it stands there, and nowhere else.
                    if (context.Settings.Json) outcome.Add(ExitCodes.Of(failure.Kind));
                    else failures.Add(failure);
                }
                catch (LvmException error)
                {
                    failures.Add(error);
                }
            }
        }

        if (context.Settings.Json || images.Count > 0) context.Answer(json => json.WriteArray(images, WriteJson), text => WriteTable(text, images));
        foreach (var failure in failures) outcome.Add(context.Report(failure));
        return outcome.ExitCode;
    }

    private static void WriteTable(TextWriter output, IEnumerable<DomainImage> images)
    {
        var table = new Table(("Name", -16), ("Type", -4), ("Mem", 5), ("VCPUs", 5), ("Xen", -6), ("Saved", -19), ("Size", 10), ("State", -6), ("File", -1));
        foreach (var image in images)
        {
            table.Add(
                image.Name ?? "-",
                image.Type?.ToString() ?? "-",
                image.MemoryMiB?.ToString(CultureInfo.InvariantCulture) ?? "-",
                image.VcpuCount?.ToString(CultureInfo.InvariantCulture) ?? "-",
                image.XenVersion ?? "-",
                image.SavedTime?.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "-",
                image.Length.ToString(CultureInfo.InvariantCulture),
                image.State.ToString(),
                image.Path);
        }

        table.Write(output);
    }

    private static void WriteJson(Utf8JsonWriter json, DomainImage image)
    {
        json.WriteStartObject();
        json.WriteString("file", image.Path);
        json.WriteString("state", image.State.ToString());
        json.WriteString("id", image.ErrorId);
        json.WriteString("problem", image.Problem);
        json.WriteString("format", image.Format?.ToString());
        WriteNumber("formatVersion", image.FormatVersion);
        json.WriteNumber("length", image.Length);
        json.WriteString("name", image.Name);
        if (image.Uuid is { } uuid) json.WriteString("uuid", uuid);
        else json.WriteNull("uuid");
        json.WriteString("type", image.Type?.ToString());
        WriteNumber("memoryMiB", image.MemoryMiB);
        WriteNumber("vcpus", image.VcpuCount);
        json.WriteString("xen", image.XenVersion);
        if (image.SavedTime is { } time) json.WriteString("savedTime", time);
        else json.WriteNull("savedTime");
        json.WriteString("host", image.HostName);
        json.WritePropertyName("config");
        if (image.Config is { } config)
        {
            // The file's own text is on many lines, and this document is on one.
            using var text = JsonDocument.Parse(DomainConfigJson.Write(config));
            text.RootElement.WriteTo(json);
        }
        else
        {
            json.WriteNullValue();
        }

        json.WritePropertyName("parts");
        json.WriteArray(image.Parts, WritePart);
        json.WriteEndObject();

        void WriteNumber(string name, int? number)
        {
            if (number is { } value) json.WriteNumber(name, value);
            else json.WriteNull(name);
        }
    }

    private static void WritePart(Utf8JsonWriter json, ImagePart part)
    {
        json.WriteStartObject();
        json.WriteString("name", part.Name);
        json.WriteNumber("offset", part.Offset);
        json.WriteNumber("length", part.Length);
        json.WriteString("checksum", part.Checksum);
        if (part.Fits is { } fits) json.WriteBoolean("fits", fits);
        else json.WriteNull("fits");
        json.WriteEndObject();
    }
}
