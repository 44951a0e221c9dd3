using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>The Linux guest of tests/Lab/guest: told what to do by words of its command line or at its console, where it says what came of it.</summary>
internal sealed class LinuxGuest
{
    private readonly LvmHost _host;
    private int _heard;

    private LinuxGuest(LvmHost host, Domain domain)
    {
        _host = host;
        Domain = domain;
    }

    /// <summary>The domain that it is in: another one when it was saved and restored.</summary>
    public Domain Domain { get; set; }

    /// <param name="words">What it shall do at once, "lab.net=192.168.77.10 lab.write=xvda".</param>
    public static LinuxGuest Start(LvmHost host, string name, GuestType type, string words, Action<DomainConfigDraft> change)
    {
        var draft = new DomainConfigDraft
        {
            Name = name,
            Kernel = $"{Dom0.Guests}/vmlinux",
            Ramdisk = $"{Dom0.Guests}/initrd.gz",
            CommandLine = $"console=hvc0 quiet {words}",
            MemoryMiB = 160,
            VcpuCount = 1,
            Type = type,
        };
        change(draft);
        GuestTests.ForgetConsoleLog(name);
        return new LinuxGuest(host, host.CreateDomain(DomainConfig.From(draft), TestContext.Current.CancellationToken));
    }

    /// <summary>The same guest, started by xl.</summary>
    /// <param name="lines">Of its configuration, beside what every guest has.</param>
    public static LinuxGuest StartByXl(LvmHost host, string name, GuestType type, string words, params string[] lines)
    {
        var config = Path.GetTempFileName();
        try
        {
            File.WriteAllLines(config,
            [
                $"name = '{name}'",
                $"type = '{(type == GuestType.PV ? "pv" : "pvh")}'",
                $"kernel = '{Dom0.Guests}/vmlinux'",
                $"ramdisk = '{Dom0.Guests}/initrd.gz'",
                $"cmdline = 'console=hvc0 quiet {words}'",
                "memory = 160",
                "vcpus = 1",
                .. lines,
            ]);
            GuestTests.ForgetConsoleLog(name);
            Dom0.Output("xl", "create", "-q", config);
            return new LinuxGuest(host, host.GetDomain(name));
        }
        finally
        {
            File.Delete(config);
        }
    }

    /// <summary>Waits until the guest says something, after what it was heard to say before.</summary>
    /// <param name="pattern">Of its line, without the time that it says.</param>
    public Match Says(string pattern)
    {
        var match = Match.Empty;
        var expected = new Regex($"guest: {pattern} after");
        GuestTests.AssertEventually(
            () =>
            {
                var log = GuestTests.ConsoleLog(Domain.Name);
                match = expected.Match(log, Math.Min(_heard, log.Length));
                if (match.Success) _heard = match.Index + match.Length;
                return match.Success;
            },
            () => $"'{pattern}' was to be heard of {Domain.Name}; its console:\n{GuestTests.ConsoleLog(Domain.Name)}");
        return match;
    }

    /// <summary>Has the guest do something.</summary>
    public void Tell(string command) => _host.Consoles.Send(Domain.Key, $"{command}\n", TimeSpan.FromMinutes(4), TestContext.Current.CancellationToken);

    /// <summary>Has the guest do something, and waits until it says what came of it.</summary>
    public void Ask(string command, string answer)
    {
        Tell(command);
        Says(answer);
    }
}
