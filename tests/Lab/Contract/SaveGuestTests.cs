using System.Globalization;
using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>Linux guests at work that are saved and restored: what they have in memory, on the network and on disk goes on.</summary>
public sealed class SaveGuestTests(XenContractHost contract, RunningDeviceDaemon daemon) : DeviceTests(contract, daemon), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    private const string Address = "192.168.77.10";
    private const int Rounds = 20;

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_guest_at_work_goes_on_through_twenty_saves(GuestType type)
    {
        var disk = Image("churned.img", 16);
        var guest = StartAtWork(type, disk);
        using var image = new SavedImage();

        for (var round = 0; round < Rounds; round++)
        {
            Host.Images.Save(guest.Domain.Key, image.Path, new SaveOptions { Overwrite = true }, Cancellation);
            guest.Domain = Host.Images.Restore(image.Path, cancellation: Cancellation);
        }

        AssertNothingWasLost(guest, disk);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_guest_at_work_goes_on_through_checkpoints(GuestType type)
    {
        var disk = Image("churned.img", 16);
        var guest = StartAtWork(type, disk);
        using var image = new SavedImage();

        for (var round = 0; round < 5; round++) Host.Images.Save(guest.Domain.Key, image.Path, new SaveOptions { KeepRunning = true, Overwrite = true }, Cancellation);

        AssertNothingWasLost(guest, disk);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void What_xl_has_saved_goes_on(GuestType type)
    {
        var disk = Image("churned.img", 16);
        var guest = StartAtWork(type, disk, byXl: true);
        using var image = new SavedImage();

        Dom0.Output("xl", "save", guest.Domain.Name, image.Path);
        guest.Domain = Host.Images.Restore(image.Path, cancellation: Cancellation);

        AssertNothingWasLost(guest, disk);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void Xen_finds_nothing_wrong_with_the_stream_in_an_image(GuestType type)
    {
        using var image = new SavedImage();
        using var stream = new SavedImage();
        var domain = Host.CreateDomain(DomainConfig.From(new DomainConfigDraft { Name = "dev-stream", Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, Type = type }), Cancellation);
        var part = Host.Images.Save(domain.Key, image.Path, cancellation: Cancellation).Parts.Single(part => part.Name == "stream");
        using (var source = File.OpenRead(image.Path))
        using (var target = File.Create(stream.Path))
        {
            source.Position = part.Offset;
            source.CopyTo(target);
            target.SetLength(part.Length);
        }

        // Debian has Python modules of its own for each Xen, where Python does not look by itself.
        string[] verify = ["PYTHONPATH=/usr/lib/xen-4.17/lib/python", "verify-stream-v2", "-i", stream.Path];
        Dom0.Output("env", verify);
        using (var cutOff = File.OpenWrite(stream.Path)) cutOff.SetLength(part.Length - 8);
        Assert.NotEqual(0, Dom0.Run("env", verify).ExitCode); // it does look
    }

    /// <summary>Else libxenguest maps the table of all frames for each guest and unmaps it again, which takes it longer than the guest's own memory.</summary>
    [Fact]
    public void All_that_a_process_saves_and_restores_shares_one_table_of_the_hypervisors()
    {
        using var image = new SavedImage();
        var domain = CreateTiny("shared", _ => { });

        SaveAndRestore();
        var table = Assert.Single(Tables());
        SaveAndRestore();

        Assert.Equal(table, Assert.Single(Tables()));

        void SaveAndRestore()
        {
            Host.Images.Save(domain.Key, image.Path, new SaveOptions { Overwrite = true }, Cancellation);
            domain = Host.Images.Restore(image.Path, cancellation: Cancellation);
        }

        // Where the hypervisor's memory is mapped in this process, to be read and for long: 2 MiB for each GiB of the host's.
        static IEnumerable<string> Tables() => File.ReadLines("/proc/self/maps").Where(line => line.Contains(" r--s ") && line.EndsWith("/xen/privcmd", StringComparison.Ordinal)).Select(line => line[..line.IndexOf(' ')]);
    }

    private LinuxGuest StartAtWork(GuestType type, string disk, bool byXl = false)
    {
        const string words = $"lab.net={Address} lab.count lab.ping=192.168.77.1 lab.churn=xvda";
        var guest = byXl
            ? LinuxGuest.StartByXl(Host, "dev-save", type, words, "vif = [ 'bridge=xenbr0' ]", $"disk = [ 'format=raw,vdev=xvda,access=rw,target={disk}' ]")
            : LinuxGuest.Start(Host, "dev-save", type, words, draft => (draft.Vifs, draft.Vbds) = ([Vif()], [FileDisk(disk)]));
        guest.Says("eth0 answers");
        guest.Says("xvda churns");
        return guest;
    }

    /// <summary>The guest is asked for the sums of its work, and its disk is looked at when it is gone.</summary>
    private void AssertNothingWasLost(LinuxGuest guest, string disk)
    {
        guest.Tell("lab counted");
        Assert.True(Number(guest.Says(@"(\d+) counted, 0 missing")) > 10);
        guest.Tell("lab pinged");
        Assert.True(Number(guest.Says(@"(\d+) pings, \d+ lost")) > 1);
        guest.Tell("lab churned");
        Assert.True(Number(guest.Says(@"xvda: (\d+) written, 0 damaged")) > 1);
        Dom0.Output("ping", "-c", "1", "-W", "20", Address);
        Host.DestroyDomain(guest.Domain.Key);
        Dom0.Output("e2fsck", "-fn", disk);
    }

    private static int Number(Match match) => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);

    /// <summary>A file that is gone when it is done with.</summary>
    private sealed class SavedImage : IDisposable
    {
        public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"save-linux-{Guid.NewGuid()}.lightvm");

        public void Dispose() => File.Delete(Path);
    }
}
