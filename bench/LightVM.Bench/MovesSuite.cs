using System.Diagnostics;
using LightVM.Bench.Contenders;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Migration;
using LightVM.Xen;

namespace LightVM.Bench;

/// <summary>Guests that move from the Xen that runs here to another, by the engine over TLS and over ssh and by xl over ssh, in turns.</summary>
/// <param name="target">The other host, which serves moves over TLS, logins over ssh and bare moves (<see cref="BareTarget"/>), and has a Xen and a device daemon as this one.</param>
/// <param name="moved">The guests: "TYPE-MIB".</param>
internal sealed class MovesSuite(SuiteOptions options, string target, IReadOnlyList<string> moved)
{
    /// <summary>Guests of each contender that do not count: the first ones read the libraries' pages on both sides.</summary>
    private const int WarmUp = 2;

    private readonly Results _results = new();

    public void Run(DirectoryInfo output)
    {
        output.Create();
        var hypervisor = XenHypervisor.Open();
        var directory = XenstoreDirectory.Open();
        var bus = directory.OpenDeviceBus();
        using var host = new LvmHost(hypervisor, directory, bus);
        var guests = moved.Select(name => name.Split('-')).Select(words => new GuestFiles(options.Kernel, int.Parse(words[1]), options.Pause, type: Enum.Parse<GuestType>(words[0], ignoreCase: true))).ToArray();
        var variants = guests.Select(files => (Name: $"{files.Type.ToString().ToLowerInvariant()}-{files.MemoryMiB}", Contenders: Contenders(host, files, live => new BareMove(host, hypervisor, directory, bus, files, target, live)))).ToArray();
        try
        {
            foreach (var contender in variants.SelectMany(variant => variant.Contenders).Where(IsMeasured)) contender.Create(contender.IsProcess ? 1 : WarmUp, (_, _) => { });
            for (var block = 0; block < options.Blocks; block++)
            {
                foreach (var (name, contenders) in variants) RunBlock(name, contenders, block);
            }

            foreach (var (name, contenders) in variants) Report(name, contenders);
        }
        finally
        {
            _results.Write(output, "moves");
            foreach (var files in guests) files.Dispose();
        }
    }

    private bool IsMeasured(IContender contender) => !contender.IsProcess || options.ProcessSamples > 0;

    /// <summary>A PV guest cannot be saved while it runs on Debian's Xen: neither xl moves one nor libxc.</summary>
    private List<IContender> Contenders(LvmHost host, GuestFiles files, Func<bool, BareMove> bare)
    {
        var list = new List<IContender>
        {
            new MovedEngineContender(host, files, new MigrationTarget { Host = target }),
            new MovedEngineContender(host, files, new MigrationTarget { Host = target, Transport = MigrationTransport.Ssh }),
        };
        if (files.Type == GuestType.PV) return list;
        list.Add(bare(true));
        list.Add(bare(false));
        if (XlContender.Find() is { } xl) list.Add(new MovedXlContender(xl, options.Timed, files, target));
        return list;
    }

    private void RunBlock(string name, List<IContender> contenders, int block)
    {
        foreach (var (contender, count) in options.Turns(contenders, block))
        {
            Results.Progress($"block {block + 1}/{options.Blocks}: {count} of {name} by {contender.Name}");
            contender.Create(count, (series, milliseconds) => _results.Sample($"{series}-{name}", 0, milliseconds));
        }
    }

    private void Report(string name, List<IContender> contenders)
    {
        foreach (var contender in contenders.Where(IsMeasured))
        {
            foreach (var what in new[] { "move", "downtime" }) _results.Figures($"{what}-{contender.Name}-{name}", 0);
        }

        _results.Figure($"move-xl-over-tls-{name}", Median("move-xl") / Median("move-tls"), "ratio", Bound.Above(5));
        _results.Figure($"move-xl-over-ssh-{name}", Median("move-xl") / Median("move-ssh"), "ratio");
        _results.Figure($"downtime-tls-over-bare-{name}", Median("downtime-tls") / Median("downtime-bare"), "ratio", Bound.Below(1.3));
        _results.Figure($"downtime-tls-over-stopped-{name}", Median("downtime-tls") / Median("downtime-stopped"), "ratio");

        double Median(string series) => _results.Median($"{series}-{name}", 0);
    }
}
