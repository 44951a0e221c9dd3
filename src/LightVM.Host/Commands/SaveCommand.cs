using System.CommandLine;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Hosts;

namespace LightVM.Host.Commands;

internal static class SaveCommand
{
    /// <summary>The name that stands for standard output, and input.</summary>
    public const string Pipe = "-";

    /// <summary>How long a guest may take to suspend itself where nothing else was said.</summary>
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(60);

    public static Command Make(CommandLine line)
    {
        var domain = new Argument<string>("DOMAIN") { Description = "Name, id or uuid of a domain" };
        var file = new Argument<string>("FILE") { Description = "The image to write; - is standard output" };
        var keep = new Option<bool>("--keep", "-k") { Description = "Let the domain go on afterwards (a checkpoint)" };
        var force = new Option<bool>("--force", "-F") { Description = "Replace an image of that name" };
        var timeout = SecondsOption.Make("How long the guest may take to suspend itself; 60 seconds when not given");
        var command = new Command("save", "Save a domain to a file, to be restored later") { domain, file, keep, force, timeout };
        return line.Define(command, context =>
        {
            var options = new SaveOptions { KeepRunning = context.Get(keep), Overwrite = context.Get(force), Timeout = context.Get(timeout) ?? DefaultTimeout };
            var path = context.Get(file);
            if (path == Pipe && context.Settings.Json) throw new UsageException("standard output cannot take an image and JSON (--json)");
            return DomainArguments.ForEach(context, [context.Get(domain)], "save", jobs: 1, (host, saved) =>
            {
                if (path != Pipe)
                {
                    var image = host.Images.Save(saved.Key, path, options, context.Cancellation);
                    context.Say($"{saved.Name}  {image.Length >> 10} KiB  {image.Path}");
                    return saved;
                }

                if (!Console.IsOutputRedirected) throw new LvmException(ErrorIds.HostFileFailure, "an image is nothing for a terminal: name a file, or a pipe");
                using var output = StandardOutput.Open();
                using var closing = context.Cancellation.Register(output.Close);
                host.Images.Save(saved.Key, output, options, context.Cancellation);
                return saved;
            });
        });
    }
}
