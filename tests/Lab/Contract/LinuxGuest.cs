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

    public Domain Domain { get; }

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

    /// <summary>Waits until the guest says something, after what it was heard to say before.</summary>
    /// <param name="pattern">Of its line, without the time that it says.</param>
    public void Says(string pattern)
    {
        var expected = new Regex($"guest: {pattern} after");
        GuestTests.AssertEventually(
            () =>
            {
                var log = GuestTests.ConsoleLog(Domain.Name);
                var match = expected.Match(log, Math.Min(_heard, log.Length));
                if (match.Success) _heard = match.Index + match.Length;
                return match.Success;
            },
            () => $"'{pattern}' was to be heard of {Domain.Name}; its console:\n{GuestTests.ConsoleLog(Domain.Name)}");
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
