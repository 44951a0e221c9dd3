using System.Globalization;
using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>Disks of guests without a store: what tests of them share. The guest is <c>disk</c>, which does what its command line says.</summary>
public abstract class NoxsDiskTestsBase(XenContractHost contract) : DeviceTests(contract), IDisposable
{
    private protected const int Mebibytes = 8;
    private protected const int Sectors = Mebibytes * 2048;

    private protected static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private protected LvmHost Noxs { get; } = LvmHost.OpenXen();

    public new void Dispose()
    {
        foreach (var domain in Noxs.ListDomains().Where(domain => domain.Name.StartsWith("noxs-", StringComparison.Ordinal))) Noxs.DestroyDomain(domain.Key);
        Noxs.Dispose();
        base.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected Domain Start(string what, DiskConfig? disk, GuestType type = GuestType.PV, DeviceMethod method = DeviceMethod.Noxs, string name = "noxs-disk") => Noxs.CreateDomain(
        DomainConfig.From(new DomainConfigDraft
        {
            Name = name,
            Kernel = new GuestImages([Path.Combine(Dom0.Build, "guests")]).Find("disk"),
            CommandLine = what,
            MemoryMiB = GuestImages.MemoryMiB,
            VcpuCount = 1,
            Type = type,
            Vbds = disk is null ? [] : [disk],
            DeviceMethod = method,
            OnPoweroff = LifecycleAction.Destroy,
        }),
        Cancellation);

    /// <summary>The first line that matches what is written from now on or was written before.</summary>
    private protected string Says(Domain domain, string pattern) => Noxs.Consoles.WaitForLine(domain.Key, new Regex(pattern), Patience, Cancellation);

    /// <summary>Has a guest do something that ends, and gives the line with which it does.</summary>
    private protected void Do(string what, string says, DiskConfig disk, GuestType type = GuestType.PV, DeviceMethod method = DeviceMethod.Noxs)
    {
        var domain = Start(what, disk, type, method);
        Says(domain, says);
        Noxs.DestroyDomain(domain.Key);
    }

    private protected string Written(Domain domain) => string.Join('\n', Noxs.Consoles.ReadLines(domain.Key));

    /// <summary>How far a guest has counted.</summary>
    private protected int Last(Domain domain) => Regex.Matches(Written(domain), @"count (\d+)\r?$", RegexOptions.Multiline) is { Count: > 0 } all ? int.Parse(all[^1].Groups[1].Value, CultureInfo.InvariantCulture) : 0;

    private protected static string Filled => $"filled {Sectors} sectors, 0 errors";

    private protected static string Checked => $"checked {Sectors} sectors, 0 wrong, 0 errors";

    /// <summary>A block device that an image is behind.</summary>
    private protected string LoopOf(string image)
    {
        var loop = Dom0.Output("losetup", "--find", "--show", image).Trim();
        AtEnd(() => Dom0.Run("losetup", "--detach", loop));
        return loop;
    }
}

/// <summary>Disks by the noxs daemon: files and block devices, with PV and PVH guests, and beside disks by the store.</summary>
public sealed class NoxsDiskTests(XenContractHost contract, RunningNoxsDaemon daemon) : NoxsDiskTestsBase(contract), IClassFixture<XenContractHost>, IClassFixture<RunningNoxsDaemon>
{
    public RunningNoxsDaemon Daemon { get; } = daemon;

    [Theory]
    [InlineData(GuestType.PV, DiskType.File)]
    [InlineData(GuestType.PVH, DiskType.File)]
    [InlineData(GuestType.PV, DiskType.Phy)]
    [InlineData(GuestType.PVH, DiskType.Phy)]
    public void What_one_guest_writes_another_reads(GuestType type, DiskType kind)
    {
        var image = Image("noxs.img", Mebibytes);
        var target = kind == DiskType.Phy ? LoopOf(image) : image;
        DiskConfig disk = new(target, kind, "xvda", DiskAccess.ReadWrite), read = disk with { Access = DiskAccess.ReadOnly };
        Do("do=fill seed=11", Filled, disk, type);
        Do("do=check seed=11", Checked, read, type);
        Do("do=check seed=12", $"checked {Sectors} sectors, {Sectors} wrong, 0 errors", read, type); // a check that can fail
    }

    [Theory]
    [InlineData(DeviceMethod.Noxs, DeviceMethod.Xenstore)]
    [InlineData(DeviceMethod.Xenstore, DeviceMethod.Noxs)]
    public void A_disk_is_the_same_by_noxs_and_by_the_store(DeviceMethod writer, DeviceMethod reader)
    {
        StartDaemon();
        var disk = FileDisk(Image("noxs.img", Mebibytes));
        Do("do=fill seed=21", Filled, disk, GuestType.PV, writer);
        Do("do=check seed=21", Checked, disk, GuestType.PVH, reader);
    }

    [Fact]
    public void A_guest_may_not_do_more_than_it_may()
    {
        var image = Image("noxs.img", Mebibytes);
        File.WriteAllBytes(image, Enumerable.Range(0, Mebibytes << 20).Select(i => (byte)(i * 7)).ToArray());
        var before = File.ReadAllBytes(image);
        var reader = Start("do=trespass", FileDisk(image, access: DiskAccess.ReadOnly));
        foreach (var line in (string[])["read beyond -1", "write beyond -1", "write -1", "unknown -2", "discard -2", "flush 0", "read 0"]) Says(reader, $"trespass: {line}$");
        Noxs.DestroyDomain(reader.Key);
        Assert.Equal(before, File.ReadAllBytes(image));

        var writer = Start("do=trespass", FileDisk(image));
        foreach (var line in (string[])["read beyond -1", "write beyond -1", "write 0", "unknown -2", "flush 0", "read 0"]) Says(writer, $"trespass: {line}$");
        Noxs.DestroyDomain(writer.Key);
        Assert.Equal(Mebibytes << 20, new FileInfo(image).Length);
    }

    [Fact]
    public void What_is_given_back_is_given_back_to_the_host()
    {
        var image = Path.Combine("/var/tmp", "lightvm-noxs-sparse.img"); // on a disk, which has holes
        AtEnd(() => File.Delete(image));
        using (var file = File.Create(image)) file.SetLength((long)Mebibytes << 20);
        Do("do=fill seed=1", Filled, FileDisk(image));
        var filled = Blocks();
        Do("do=discard", "discard 0$", FileDisk(image));
        Assert.True(filled >= Sectors && Blocks() < 64, $"{filled} blocks were {Blocks()} afterwards");
        Assert.All(File.ReadAllBytes(image), each => Assert.Equal(0, each));

        int Blocks() => int.Parse(Dom0.Output("stat", "--format=%b", image).Trim(), CultureInfo.InvariantCulture);
    }

    [Fact]
    public void A_disk_belongs_to_one_who_writes_or_to_all_who_read()
    {
        StartDaemon();
        var image = Image("noxs.img", Mebibytes);
        DiskConfig write = FileDisk(image), read = FileDisk(image, access: DiskAccess.ReadOnly);

        var writer = Start("", write, name: "noxs-one");
        Says(writer, $"{Sectors} sectors of 512 bytes, read-write, flush, discard");
        AssertInUse(read, DeviceMethod.Noxs);
        AssertInUse(write, DeviceMethod.Xenstore);
        AssertInUse(read, DeviceMethod.Xenstore);
        Noxs.DestroyDomain(writer.Key);

        var readers = new[] { Start("", read, name: "noxs-one"), Start("", read, method: DeviceMethod.Xenstore, name: "noxs-two"), Start("", read, name: "noxs-three") };
        foreach (var reader in readers) Says(reader, $"{Sectors} sectors of 512 bytes, read-only");
        AssertInUse(write, DeviceMethod.Noxs);
        AssertInUse(write, DeviceMethod.Xenstore);
        foreach (var reader in readers) Noxs.DestroyDomain(reader.Key);

        var store = Start("", write, method: DeviceMethod.Xenstore, name: "noxs-one");
        AssertInUse(write, DeviceMethod.Noxs);
        AssertInUse(read, DeviceMethod.Noxs);
        Noxs.DestroyDomain(store.Key);

        void AssertInUse(DiskConfig disk, DeviceMethod method)
        {
            var error = Assert.Throws<LvmException>(() => Start("", disk, method: method, name: "noxs-other"));
            Assert.Equal(ErrorIds.DiskInUse, error.ErrorId);
            Assert.DoesNotContain(Noxs.ListDomains(), domain => domain.Name == "noxs-other");
        }
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_guest_at_work_is_saved_and_restored_and_goes_on(GuestType type)
    {
        var disk = Image("noxs.img", Mebibytes);
        var image = Image("noxs-disk.lightvm");
        var domain = Start("do=count every=10", FileDisk(disk), type);
        Says(domain, "count 20$");
        for (var round = 1; round <= 2; round++)
        {
            Noxs.Images.Save(domain.Key, image, new SaveOptions { KeepRunning = true, Overwrite = true }, Cancellation);
            Noxs.Images.Save(domain.Key, image, new SaveOptions { Overwrite = true }, Cancellation);
            domain = Noxs.Images.Restore(image, cancellation: Cancellation);
            Says(domain, "resumed");
            var counted = Last(domain);
            GuestTests.AssertEventually(() => Last(domain) >= counted + 20, () => $"it stands still at {Last(domain)}; {Daemon.Log}");
        }

        Assert.DoesNotContain("wrong", Written(domain), StringComparison.Ordinal);
        Noxs.DestroyDomain(domain.Key);
    }

    [Fact]
    public void A_disk_is_listed_and_taken_away()
    {
        var image = Image("noxs.img", Mebibytes);
        var domain = Start("do=count every=10", FileDisk(image));
        Says(domain, "count 10$");
        var disk = Assert.Single(Noxs.Devices.ListDisks(domain));
        Assert.Equal((image, Xvda, DeviceState.Connected), (disk.Target, disk.DeviceId, disk.State));

        Noxs.Devices.RemoveDisk(domain.Key, Xvda, cancellation: Cancellation);
        Says(domain, "the disk is away");
        Assert.Empty(Noxs.Devices.ListDisks(domain));
        using (var free = File.Open(image, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) Assert.True(free.CanWrite); // nobody has it locked
        Noxs.DestroyDomain(domain.Key);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_disk_that_comes_while_the_guest_runs_is_filled_and_goes(GuestType type)
    {
        var image = Image("noxs.img", Mebibytes);
        var domain = Start("do=fill seed=31", null, type);
        Says(domain, "hello from");
        var disk = Noxs.Devices.AddDisk(domain.Key, FileDisk(image, "xvdb"), cancellation: Cancellation);
        Assert.Equal((image, Xvdb), (disk.Target, disk.DeviceId));
        Says(domain, Filled);
        Assert.Equal(DeviceState.Connected, Assert.Single(Noxs.Devices.ListDisks(domain)).State);
        Noxs.Devices.RemoveDisk(domain.Key, Xvdb, cancellation: Cancellation);
        Says(domain, "the disk is away");
        Noxs.DestroyDomain(domain.Key);
        Do("do=check seed=31", Checked, FileDisk(image), type);
    }

    [Fact]
    public void A_disk_that_comes_while_the_guest_runs_is_there_after_a_save_and_guests_at_work_let_go_of_it()
    {
        var (disk, saved) = (Image("noxs.img", Mebibytes), Image("noxs-attached.lightvm"));
        var domain = Start("do=count every=10", null);
        Noxs.Devices.AddDisk(domain.Key, FileDisk(disk), cancellation: Cancellation);
        Says(domain, "count 20$");
        Noxs.Images.Save(domain.Key, saved, new SaveOptions { Overwrite = true }, Cancellation);
        domain = Noxs.Images.Restore(saved, cancellation: Cancellation);
        for (var round = 0; round < 5; round++)
        {
            var counted = Last(domain);
            GuestTests.AssertEventually(() => Last(domain) >= counted + 20, () => $"it stands still at {Last(domain)}; {Daemon.Log}");
            Noxs.Devices.RemoveDisk(domain.Key, Xvda, cancellation: Cancellation);
            using (var free = File.Open(disk, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) Assert.True(free.CanWrite); // nobody has it locked
            Noxs.Devices.AddDisk(domain.Key, FileDisk(disk), cancellation: Cancellation); // what it was about to do it does then
        }

        Assert.DoesNotContain("wrong", Written(domain), StringComparison.Ordinal);
        Noxs.DestroyDomain(domain.Key);
    }

    [Fact]
    public void A_guest_that_is_destroyed_at_work_leaves_nothing()
    {
        var disk = FileDisk(Image("noxs.img", Mebibytes));
        for (var round = 0; round < 5; round++)
        {
            var domain = Start("do=write total=100000", disk, round % 2 == 0 ? GuestType.PV : GuestType.PVH);
            Says(domain, "sectors of 512 bytes");
            Noxs.DestroyDomain(domain.Key);
        }

        Do("do=fill seed=2", Filled, disk);
        Do("do=check seed=2", Checked, disk);
    }
}

/// <summary>Disks when the noxs daemon dies, with guests at work.</summary>
public sealed class NoxsDiskCrashTests(XenContractHost contract) : NoxsDiskTestsBase(contract), IClassFixture<XenContractHost>, IDisposable
{
    private DeviceDaemon _daemon = Begin();

    public new void Dispose()
    {
        try
        {
            base.Dispose();
        }
        finally
        {
            _daemon.Stop();
            _daemon.Dispose();
        }
    }

    [Theory]
    [InlineData(GuestType.PV, DiskType.File)]
    [InlineData(GuestType.PVH, DiskType.Phy)]
    public void Guests_go_on_where_the_daemon_was_killed(GuestType type, DiskType kind)
    {
        var image = Image("noxs-count.img", Mebibytes);
        var other = Image("noxs-fill.img", Mebibytes);
        var counter = Start("do=count every=10", new DiskConfig(kind == DiskType.Phy ? LoopOf(image) : image, kind, "xvda", DiskAccess.ReadWrite), type, name: "noxs-counter");
        Says(counter, "count 10$");
        var random = new Random(5);
        for (var round = 0; round < 6; round++)
        {
            // With all requests under way there can be, on another disk.
            var filler = Start($"do=fill seed={round}", FileDisk(other), type, name: "noxs-filler");
            Thread.Sleep(random.Next(300));
            _daemon.Kill();
            _daemon.Dispose();
            _daemon = Begin();
            Says(filler, Filled);
            Noxs.DestroyDomain(filler.Key);
            Do($"do=check seed={round}", Checked, FileDisk(other), type);
            var counted = Last(counter);
            GuestTests.AssertEventually(() => Last(counter) >= counted + 10, () => $"it stands still at {Last(counter)}; {_daemon.Log}");
        }

        Assert.DoesNotContain("wrong", Written(counter), StringComparison.Ordinal);
        Assert.DoesNotContain("away", Written(counter), StringComparison.Ordinal); // it has noticed nothing
        Noxs.DestroyDomain(counter.Key);
    }

    [Fact]
    public void A_disk_that_is_gone_meanwhile_is_lost_and_said_so()
    {
        var image = Image("noxs.img", Mebibytes);
        var domain = Start("do=count every=10", FileDisk(image));
        Says(domain, "count 10$");
        _daemon.Kill();
        _daemon.Dispose();
        File.Move(image, image + ".old");
        AtEnd(() => File.Delete(image + ".old"));
        _daemon = Begin();
        Says(domain, "the disk is away");
        Assert.Contains($"disk '{image}' does not exist", _daemon.Log, StringComparison.Ordinal);
        Noxs.DestroyDomain(domain.Key);
    }

    private static DeviceDaemon Begin() => DeviceDaemon.StartOther("noxsd", new Dictionary<string, string>());
}
