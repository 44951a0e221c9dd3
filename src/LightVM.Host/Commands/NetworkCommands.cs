using System.CommandLine;
using LightVM.Configuration;
using LightVM.Host.Output;

namespace LightVM.Host.Commands;

/// <summary>network-attach, network-list and network-detach, as xl calls them.</summary>
internal static class NetworkCommands
{
    public static IEnumerable<Command> Make(CommandLine line) => [MakeAttach(line), MakeList(line), MakeDetach(line)];

    private static Command MakeAttach(CommandLine line)
    {
        var domain = DeviceArguments.Domain();
        var bridge = new Option<string?>("--bridge") { Description = "Bridge to join; none when not given", HelpName = "BRIDGE" };
        var mac = new Option<string?>("--mac") { Description = "MAC address; one is made up when not given", HelpName = "MAC" };
        var ip = new Option<string?>("--ip") { Description = "The guest's address, a hint for whoever looks for it", HelpName = "ADDRESS" };
        var rate = new Option<string?>("--rate") { Description = "The most that the guest may send, such as 10Mb/s or 250KB/s@20ms", HelpName = "RATE" };
        var queues = new Option<int?>("--queues") { Description = "How many queues the guest may use, 1 to 64", HelpName = "N" };
        var untrusted = new Option<bool>("--untrusted") { Description = "Tell the guest not to trust its backend" };
        var timeout = SecondsOption.Make("How long drivers and the device daemon may take; 30 seconds when not given");
        var command = new Command("network-attach", "Give a domain a network interface while it runs") { domain, bridge, mac, ip, rate, queues, untrusted, timeout };
        return line.Define(command, context =>
        {
            var config = new NetworkConfig(context.Get(ip), context.Get(mac), context.Get(bridge), context.Get(rate), context.Get(queues), !context.Get(untrusted));
            return DeviceArguments.Change(
                context,
                context.Get(domain),
                "add a network adapter to",
                (host, found) => host.Devices.AddNetworkAdapter(found.Key, config, context.Get(timeout), context.Cancellation),
                DeviceOutput.WriteJson,
                adapter => $"{adapter.DomainName}  {adapter.DeviceId}  {adapter.MacAddress}  {adapter.InterfaceName}");
        });
    }

    private static Command MakeList(CommandLine line)
    {
        var domains = DeviceArguments.Domains();
        var command = new Command("network-list", "List the network interfaces of domains") { domains };
        return line.Define(command, context => DeviceArguments.List(
            context,
            context.Get(domains),
            (host, found) => host.Devices.ListNetworkAdapters(found),
            DeviceOutput.WriteTable,
            DeviceOutput.WriteJson));
    }

    private static Command MakeDetach(CommandLine line)
    {
        var domain = DeviceArguments.Domain();
        var adapter = new Argument<string>("ADAPTER") { Description = "Number of the interface, 0 for the first, or its MAC address" };
        var force = DeviceArguments.Force();
        var timeout = SecondsOption.Make("How long the guest may take to let go; 30 seconds when not given");
        var command = new Command("network-detach", "Take a network interface away from a domain while it runs") { domain, adapter, force, timeout };
        return line.Define(command, context => DeviceArguments.Change(
            context,
            context.Get(domain),
            "remove a network adapter of",
            (host, found) =>
            {
                var removed = host.Devices.GetNetworkAdapter(found, context.Get(adapter));
                host.Devices.RemoveNetworkAdapter(removed, context.Get(force), context.Get(timeout), context.Cancellation);
                return removed;
            },
            DeviceOutput.WriteJson));
    }
}
