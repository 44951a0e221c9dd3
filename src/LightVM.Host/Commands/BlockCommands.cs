using System.CommandLine;
using LightVM.Configuration;
using LightVM.Host.Output;
using LightVM.Linux;

namespace LightVM.Host.Commands;

/// <summary>block-attach, block-list and block-detach, as xl calls them.</summary>
internal static class BlockCommands
{
    public static IEnumerable<Command> Make(CommandLine line) => [MakeAttach(line), MakeList(line), MakeDetach(line)];

    private static Command MakeAttach(CommandLine line)
    {
        var domain = DeviceArguments.Domain();
        var target = new Argument<string>("TARGET") { Description = "Block device or image file" };
        var device = new Argument<string>("VDEV") { Description = "Name that the guest gives it, such as xvdb" };
        var type = new Option<string?>("--type") { Description = "phy for a block device, file for an image file; what the target is decides when not given", HelpName = "TYPE" };
        type.AcceptOnlyFromAmong("phy", "file");
        var readOnly = new Option<bool>("--read-only") { Description = "The guest may not write it" };
        var timeout = SecondsOption.Make("How long drivers and the device daemon may take; 30 seconds when not given");
        var command = new Command("block-attach", "Give a domain a disk while it runs") { domain, target, device, type, readOnly, timeout };
        return line.Define(command, context =>
        {
            var path = FullPath(context.Get(target));
            var config = new DiskConfig(
                path,
                ConfigWords.DiskTypes.TryParse(context.Get(type) ?? "", out var given) ? given.Value : DiskTarget.TypeOf(path),
                context.Get(device),
                context.Get(readOnly) ? DiskAccess.ReadOnly : DiskAccess.ReadWrite);
            return DeviceArguments.Change(
                context,
                context.Get(domain),
                "add a disk to",
                (host, found) => host.Devices.AddDisk(found.Key, config, context.Get(timeout), context.Cancellation),
                DeviceOutput.WriteJson,
                disk => $"{disk.DomainName}  {disk.VirtualDevice}  {disk.Target}");
        });
    }

    private static Command MakeList(CommandLine line)
    {
        var domains = DeviceArguments.Domains();
        var command = new Command("block-list", "List the disks of domains") { domains };
        return line.Define(command, context => DeviceArguments.List(
            context,
            context.Get(domains),
            (host, found) => host.Devices.ListDisks(found),
            DeviceOutput.WriteTable,
            DeviceOutput.WriteJson));
    }

    private static Command MakeDetach(CommandLine line)
    {
        var domain = DeviceArguments.Domain();
        var device = new Argument<string>("VDEV") { Description = "Name of the disk, such as xvdb, or Xen's number of it" };
        var force = DeviceArguments.Force();
        var timeout = SecondsOption.Make("How long the guest may take to let go; 30 seconds when not given");
        var command = new Command("block-detach", "Take a disk away from a domain while it runs") { domain, device, force, timeout };
        return line.Define(command, context => DeviceArguments.Change(
            context,
            context.Get(domain),
            "remove a disk of",
            (host, found) =>
            {
                var removed = host.Devices.GetDisk(found, context.Get(device));
                host.Devices.RemoveDisk(removed, context.Get(force), context.Get(timeout), context.Cancellation);
                return removed;
            },
            DeviceOutput.WriteJson));
    }

    /// <summary>Backends know no current directory. An empty path is left to the rules of disks.</summary>
    private static string FullPath(string path) => path.Length == 0 ? path : Path.Combine(Environment.CurrentDirectory, path);
}
