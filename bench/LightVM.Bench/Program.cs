using System.CommandLine;
using LightVM.Bench;

// Programs that are started from here start as they do anywhere (run-in-lab.sh).
Environment.SetEnvironmentVariable("DOTNET_ReadyToRun", null);

var output = new Option<DirectoryInfo>("--output") { Description = "Where samples and figures are written", DefaultValueFactory = _ => new DirectoryInfo("bench-results"), Recursive = true };
var kernel = new Option<FileInfo>("--kernel") { Description = "Kernel of the guests", Required = true };
var samples = new Option<int>("--samples") { Description = "Samples of each series", DefaultValueFactory = _ => 40, Recursive = true };
var lightvm = new Option<FileInfo?>("--lightvm") { Description = "The executable lightvm; left out when not given" };
var pwsh = new Option<FileInfo?>("--pwsh") { Description = "PowerShell; left out when not given" };
var module = new Option<string>("--module") { Description = "The module LightVM: its name or path", DefaultValueFactory = _ => "LightVM" };
var root = new RootCommand("Measures LightVM. Each figure is one line: bench: NAME VALUE UNIT reach BOUND ok|short.") { output, samples };

var others = new Option<string>("--others") { Description = "How many guests run beside, ascending", DefaultValueFactory = _ => "0,100,500" };
var baseline = new Option<FileInfo>("--baseline") { Description = "The bare C loop; 'timed' is beside it", Required = true };
var processSamples = new Option<int>("--process-samples") { Description = "Samples of each series that starts a process", DefaultValueFactory = _ => 10 };
var blocks = new Option<int>("--blocks") { Description = "Blocks in which the series take turns", DefaultValueFactory = _ => 10 };
var pause = new Option<int>("--pause") { Description = "Milliseconds between two operations; two more for each guest that is there in the end", DefaultValueFactory = _ => 100 };
var cmdlet = new Option<FileInfo?>("--cmdlet") { Description = "cmdlet.ps1" };
var xen = new Command("xen", "Creation, destruction and listing on the Xen that runs here") { kernel, others, baseline, processSamples, blocks, pause, lightvm, pwsh, module, cmdlet };
xen.SetAction(arguments => new XenSuite(
    OptionsOf(arguments),
    arguments.GetValue(lightvm)?.FullName,
    arguments.GetValue(pwsh)?.FullName,
    arguments.GetRequiredValue(module),
    arguments.GetValue(cmdlet)?.FullName).Run(arguments.GetRequiredValue(output)));

var bridge = new Option<string>("--bridge") { Description = "The bridge that the guests' interfaces join", DefaultValueFactory = _ => "xenbr0" };
var daemon = new Option<FileInfo>("--lightvm") { Description = "The executable lightvm, whose daemons serve the guests", Required = true };
var devices = new Command("devices", "Guests with devices on the Xen that runs here") { kernel, others, baseline, processSamples, blocks, pause, daemon, bridge };
devices.SetAction(arguments => new DevicesSuite(
    OptionsOf(arguments), arguments.GetRequiredValue(bridge), arguments.GetRequiredValue(daemon).FullName).Run(arguments.GetRequiredValue(output)));

var guests = new Option<DirectoryInfo>("--guests") { Description = "The folder of the guests timecost, which says a line when it is up, template, which sends back what comes, idle, and disk", Required = true };
var folder = new Option<DirectoryInfo>("--folder") { Description = "Where images are saved", DefaultValueFactory = _ => new DirectoryInfo("/var/tmp") };
var saved = new Option<string>("--saved") { Description = "The guests that are saved", DefaultValueFactory = _ => "pv-4,pv-64,pvh-4,pv-4-noxs" };
var images = new Command("images", "Saved guests on the Xen that runs here") { kernel, others, baseline, processSamples, blocks, pause, folder, guests, daemon, saved };
images.SetAction(arguments => new ImagesSuite(
    OptionsOf(arguments), arguments.GetRequiredValue(folder).FullName, GuestIn(arguments, "idle"), arguments.GetRequiredValue(daemon).FullName, arguments.GetRequiredValue(saved).Split(',')).Run(arguments.GetRequiredValue(output)));

var target = new Option<string>("--target") { Description = "The host that guests move to: a peer that serves moves over TLS, and logins over ssh", Required = true };
var moved = new Option<string>("--moved") { Description = "The guests that are moved", DefaultValueFactory = _ => "pv-4,pvh-4,pvh-64" };
var moves = new Command("moves", "Guests that move from the Xen that runs here to another") { kernel, target, baseline, processSamples, blocks, pause, moved };
moves.SetAction(arguments => new MovesSuite(
    OptionsOf(arguments), arguments.GetRequiredValue(target), arguments.GetRequiredValue(moved).Split(',')).Run(arguments.GetRequiredValue(output)));

var bareTarget = new Command("bare-target", "The other end of the bare moves, on the host that guests move to");
bareTarget.SetAction(_ => BareTarget.Run());

var pools = new Command("pools", "Guests made of shells on the Xen that runs here") { kernel, others, baseline, processSamples, blocks, pause, daemon, folder };
pools.SetAction(arguments => new PoolsSuite(
    OptionsOf(arguments), arguments.GetRequiredValue(folder).FullName, arguments.GetRequiredValue(daemon).FullName).Run(arguments.GetRequiredValue(output)));

var address = new Option<string>("--address") { Description = "An address for template, with its bits, that is reached by the bridge", DefaultValueFactory = _ => "192.168.77.90/24" };
var noxs = new Command("noxs", "Guests without a store on the Xen that runs here") { guests, address, others, baseline, processSamples, blocks, pause, daemon, bridge };
noxs.SetAction(arguments => new NoxsSuite(
    OptionsOf(arguments) with { Kernel = GuestIn(arguments, "timecost") },
    GuestIn(arguments, "template"),
    arguments.GetRequiredValue(address),
    arguments.GetRequiredValue(bridge),
    arguments.GetRequiredValue(daemon).FullName).Run(arguments.GetRequiredValue(output)));

var disks = new Command("disks", "What goes through a guest's disk, by the store and without one, on the Xen that runs here") { guests, daemon };
disks.SetAction(arguments => new DisksSuite(GuestIn(arguments, "disk"), arguments.GetRequiredValue(daemon).FullName).Run(arguments.GetRequiredValue(output)));

var simulated = new Command("simulated", "Listing 1,000 simulated domains");
simulated.SetAction(arguments => SimulatedSuite.Run(arguments.GetValue(samples), arguments.GetRequiredValue(output)));

var starts = new Command("starts", "Starts of processes; not to be run under emulation") { lightvm, pwsh, module };
starts.SetAction(arguments => StartSuite.Run(
    arguments.GetValue(lightvm)?.FullName, arguments.GetValue(pwsh)?.FullName, arguments.GetRequiredValue(module), arguments.GetValue(samples), arguments.GetRequiredValue(output)));

foreach (var suite in new[] { xen, devices, images, pools, noxs, disks, moves, bareTarget, simulated, starts }) root.Subcommands.Add(suite);
return root.Parse(args).Invoke();

SuiteOptions OptionsOf(ParseResult arguments)
{
    var beside = (arguments.GetValue(others) ?? "0").Split(',').Select(int.Parse).Order().ToArray();
    return new SuiteOptions
    {
        Kernel = arguments.GetValue(kernel)?.FullName ?? "",
        Others = beside,
        Samples = arguments.GetValue(samples),
        ProcessSamples = arguments.GetValue(processSamples),
        Blocks = arguments.GetValue(blocks),
        Pause = new Pause(arguments.GetValue(pause), beside[^1]),
        Programs = arguments.GetRequiredValue(baseline).Directory!.FullName,
    };
}

string GuestIn(ParseResult arguments, string name) => Path.Combine(arguments.GetRequiredValue(guests).FullName, $"{name}.elf");
