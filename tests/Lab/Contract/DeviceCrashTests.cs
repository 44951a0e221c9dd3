using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>The device daemon and toolstacks die in the middle of their work: whoever comes next finishes it, and nothing is lost or left over.</summary>
public sealed class DeviceCrashTests(XenContractHost contract) : DeviceTests(contract), IClassFixture<XenContractHost>
{
    /// <summary>For a daemon to come to where it dies, and for work to end.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    /// <summary>Where the daemon can be made to die, as it says itself.</summary>
    public static TheoryData<string> CrashPoints() =>
        new(Dom0.Output(Dom0.Lightvm, "devd", "--list-crash-points").Split('\n', StringSplitOptions.RemoveEmptyEntries));

    [Theory]
    [MemberData(nameof(CrashPoints))]
    public async Task A_daemon_that_dies_has_its_work_finished_by_the_next(string point)
    {
        var image = Image("crash.img");
        if (point.StartsWith("scan-", StringComparison.Ordinal))
        {
            DieAtStart(point, image);
            return;
        }

        var dying = StartDaemon(crashAt: point);
        using var isBack = new ManualResetEventSlim();
        var life = Task.Run(() => LiveAndDie(image, isBack), Cancellation);
        dying.AwaitDeath();
        StartDaemon();
        isBack.Set();
        await life.WaitAsync(Patience, Cancellation);
    }

    [Fact]
    public void A_toolstack_that_dies_leaves_what_can_be_removed()
    {
        StartDaemon();
        var image = Image("killed.img");
        Func<Guid, bool>[] moments =
        [
            _ => true,
            uuid => FindDomain(uuid) is not null,
            uuid => FindDomain(uuid) is { } info && Contract.Bus.List(info.Key.Id).Count > 0,
            uuid => FindDomain(uuid) is { } info && Contract.Bus.List(info.Key.Id).Any(device => device.State == DeviceState.InitWait),
            uuid => FindDomain(uuid) is { MemoryKiB: > 1024 },
            uuid => FindDomain(uuid) is { } info && Dom0.Run("xenstore-exists", $"/local/domain/{info.Key.Id}/name").ExitCode == 0,
        ];
        foreach (var reached in moments)
        {
            var uuid = Guid.NewGuid();
            var draft = new DomainConfigDraft { Name = "dev-killed", Uuid = uuid, Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, Vifs = [Vif()], Vbds = [FileDisk(image)] };
            var config = Contract.WriteFile("killed.json", DomainConfigJson.Write(DomainConfig.From(draft)));
            using (var toolstack = Process.Start(new ProcessStartInfo(Dom0.Lightvm, ["create", config]) { RedirectStandardOutput = true, RedirectStandardError = true })!)
            {
                // One that has come to its end before it was killed is removed as well.
                while (!toolstack.HasExited && !reached(uuid))
                {
                }

                toolstack.Kill();
                toolstack.WaitForExit();
            }

            if (FindDomain(uuid) is { } left) Host.DestroyDomain(left.Key);
            AssertNothingLeft();
        }
    }

    private DomainInfo? FindDomain(Guid uuid)
    {
        foreach (var domain in Contract.Hypervisor.ListDomains())
        {
            if (domain.Key.Uuid == uuid && domain.State != DomainState.Dying) return domain;
        }

        return null;
    }

    /// <summary>A daemon dies while it takes over what there is.</summary>
    private void DieAtStart(string point, string image)
    {
        var first = StartDaemon();
        var domain = CreateTiny("taken-over", draft => (draft.Vifs, draft.Vbds) = ([Vif()], [FileDisk(image)]));
        first.Kill();
        StartDaemon(crashAt: point).AwaitDeath();
        StartDaemon();
        AssertHasDevices(domain);
        Host.Devices.AddNetworkAdapter(domain.Key, Vif(OtherBridge), cancellation: Cancellation);
        Host.Devices.RemoveDisk(domain.Key, Xvda, cancellation: Cancellation);
        Host.DestroyDomain(domain.Key);
    }

    /// <summary>All that a daemon has to do with: whatever fails because it died has left nothing, and succeeds with the next one.</summary>
    private void LiveAndDie(string image, ManualResetEventSlim isBack)
    {
        var domain = Sometime(() => CreateTiny("crash", draft => (draft.Vifs, draft.Vbds) = ([Vif()], [FileDisk(image)])), isBack);
        AssertHasDevices(domain);

        // A device that cannot be: nobody asked for it first.
        var impossible = new NetworkDevice(7, new NetworkConfig(null, "00:16:3e:00:00:07", "no-such-br"));
        Contract.Bus.Attach(domain.Key, [impossible]);
        var error = Assert.ThrowsAny<LvmException>(() => Contract.Bus.AwaitBackends(domain.Key, [impossible], Patience, Cancellation));
        Assert.Equal(ErrorIds.BridgeNotFound, error.ErrorId);
        Contract.Bus.Detach(domain.Key, DeviceKind.Network, 7, force: true, Patience, Cancellation);

        // A guest that lets go of a device when nobody waits for it any more.
        Sometime(() => Host.Devices.AddNetworkAdapter(domain.Key, Vif(OtherBridge), cancellation: Cancellation), isBack);
        var (back, front) = ($"/local/domain/0/backend/vif/{domain.Id}/1", $"/local/domain/{domain.Id}/device/vif/1");
        Dom0.Output("xenstore-write", $"{back}/online", "0", $"{back}/removal", "1", $"{front}/state", "6");
        GuestTests.AssertEventually(() => Host.Devices.ListNetworkAdapters(domain).Count == 1, () => $"vif 1 stays:\n{DaemonLog}");

        Host.Devices.RemoveDisk(domain.Key, Xvda, cancellation: Cancellation);
        Host.DestroyDomain(domain.Key);
    }

    private void AssertHasDevices(Domain domain)
    {
        Assert.Single(Host.Devices.ListNetworkAdapters(domain));
        Assert.True(Directory.Exists($"/sys/class/net/vif{domain.Id}.0/brport"), $"vif {domain.Id}.0 is on no bridge");
        var disk = Assert.Single(Host.Devices.ListDisks(domain));
        var loops = Directory.GetDirectories("/sys/block", "loop*").Where(loop => Directory.Exists($"{loop}/loop")).ToList();
        var loop = Assert.Single(loops); // and none of a daemon before
        Assert.Equal($"/dev/{Path.GetFileName(loop)}", disk.BlockDevice);
        Assert.Equal(disk.Target, File.ReadAllText($"{loop}/loop/backing_file").Trim());
        // The kernel has opened what the store says; it writes the numbers in hexadecimal there.
        var opened = File.ReadAllText($"/sys/bus/xen-backend/devices/vbd-{domain.Id}-{Xvda}/physical_device").Trim().Split(':').Select(number => Convert.ToInt32(number, 16));
        Assert.Equal(File.ReadAllText($"{loop}/dev").Trim(), string.Join(':', opened));
    }

    /// <summary>Does something now, or else once the next daemon is there.</summary>
    private T Sometime<T>(Func<T> action, ManualResetEventSlim isBack)
    {
        try
        {
            return action();
        }
        catch (LvmException error) when (!isBack.IsSet)
        {
            Assert.Null(error.LeftBehind);
            Assert.DoesNotContain(Host.ListDomains(), domain => domain.Name == "dev-crash" && domain.State == DomainState.Paused);
            Assert.True(isBack.Wait(Patience, Cancellation));
            return action();
        }
    }
}
