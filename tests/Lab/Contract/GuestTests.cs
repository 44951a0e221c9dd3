using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>Real guests of every kind that can be started: each has to say on its console that it is up.</summary>
public sealed class GuestTests(XenContractHost contract) : IClassFixture<XenContractHost>, IDisposable
{
    private const string LinuxMark = "guest: up";
    private static readonly string Ramdisk = $"{Dom0.Guests}/initrd.gz";

    private readonly string _before = contract.DescribeTraces();

    public void Dispose()
    {
        foreach (var domain in contract.Host.ListDomains().Where(domain => domain.Name.StartsWith("guest-", StringComparison.Ordinal))) contract.Host.DestroyDomain(domain.Key);
        AssertEventually(() => contract.DescribeTraces() == _before, () => $"left behind; before:\n{_before}\nafter:\n{contract.DescribeTraces()}");
    }

    [Fact]
    public void Tiny_boots_in_the_least_memory_that_it_fits_in()
    {
        // A PV guest's first page tables map 4 MiB, whatever the kernel's size.
        Start(new DomainConfigDraft { Name = "guest-least", Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, CommandLine = "least memory" });
        AssertSays("guest-least", "least memory");
        var error = Assert.ThrowsAny<LvmException>(() => Start(new DomainConfigDraft { Name = "guest-less", Kernel = Dom0.TinyKernel, MemoryMiB = 3, VcpuCount = 1 }));
        Assert.Equal(ErrorIds.MemoryTooSmall, error.ErrorId);
    }

    [Fact]
    public void Tiny_boots_as_PVH()
    {
        Start(new DomainConfigDraft { Name = "guest-tinypvh", Kernel = Dom0.TinyKernel, MemoryMiB = 2, VcpuCount = 1, Type = GuestType.PVH, CommandLine = "tiny as pvh" });
        AssertSays("guest-tinypvh", "tiny as pvh");
    }

    [Fact]
    public void Linux_boots_as_PV_from_an_ELF_image_and_a_ramdisk()
    {
        Start(Linux("guest-elf", "vmlinux", GuestType.PV));
        AssertSays("guest-elf", LinuxMark);
    }

    [Fact]
    public void Linux_boots_as_PV_from_a_bzImage()
    {
        Start(Linux("guest-bz", "vmlinuz", GuestType.PV));
        AssertSays("guest-bz", LinuxMark);
    }

    [Fact]
    public void Tiny_boots_from_an_image_packed_by_gzip()
    {
        var packed = contract.WriteFile("tiny.elf.gz", []);
        using (var file = File.Create(packed))
        using (var gzip = new System.IO.Compression.GZipStream(file, System.IO.Compression.CompressionLevel.Fastest))
            gzip.Write(File.ReadAllBytes(Dom0.TinyKernel));

        Start(new DomainConfigDraft { Name = "guest-gz", Kernel = packed, MemoryMiB = 4, VcpuCount = 1, CommandLine = "packed" });
        AssertSays("guest-gz", "packed");
    }

    [Fact]
    public void Linux_boots_as_PVH()
    {
        var domain = Start(Linux("guest-pvh", "vmlinux", GuestType.PVH));
        Assert.Equal(GuestType.PVH, domain.Type);
        AssertSays("guest-pvh", LinuxMark);
    }

    [Fact]
    public void Linux_sees_all_vCPUs_that_a_PVH_guest_was_given()
    {
        var draft = Linux("guest-smp", "vmlinux", GuestType.PVH);
        draft.VcpuCount = 2;
        Start(draft);
        AssertSays("guest-smp", LinuxMark);
        AssertEventually(() => contract.Host.GetDomain("guest-smp").VcpuCount == 2, () => "Linux brought only one vCPU up");
    }

    [Fact]
    public void Xl_shuts_a_Linux_guest_down_as_it_does_its_own()
    {
        var domain = Start(Linux("guest-off", "vmlinux", GuestType.PV));
        AssertSays("guest-off", LinuxMark);
        Dom0.Output("xl", "shutdown", "guest-off");
        AssertEventually(() => contract.Host.GetDomain(domain.Key).ShutdownReason == ShutdownReason.Poweroff, () => $"it is {contract.Host.GetDomain(domain.Key).State}");
    }

    [Fact]
    public void Grub_boots_as_PV()
    {
        Start(new DomainConfigDraft { Name = "guest-grub", Kernel = $"{Dom0.Guests}/grub-x86_64-xen.bin", MemoryMiB = 64, VcpuCount = 1 });
        AssertSays("guest-grub", "grub");
    }

    [Fact]
    public void A_kernel_without_a_PVH_entry_is_refused_as_PVH()
    {
        var error = Assert.ThrowsAny<LvmException>(() => Start(new DomainConfigDraft { Name = "guest-nopvh", Kernel = $"{Dom0.Guests}/grub-x86_64-xen.bin", MemoryMiB = 64, VcpuCount = 1, Type = GuestType.PVH }));
        Assert.Equal(ErrorIds.KernelInvalid, error.ErrorId);
    }

    [Fact]
    public void A_packed_kernel_that_does_not_fit_is_refused_with_the_words_of_libxc()
    {
        var draft = Linux("guest-small", "vmlinuz", GuestType.PV);
        draft.MemoryMiB = 16;
        var error = Assert.ThrowsAny<LvmException>(() => Start(draft));
        Assert.Equal(ErrorIds.MemoryTooSmall, error.ErrorId);
        Assert.Contains("too large", error.HypervisorLog, StringComparison.Ordinal);
        Assert.Null(error.LeftBehind);
    }

    internal static string ConsoleLog(string name) => File.Exists(LogOf(name)) ? File.ReadAllText(LogOf(name)) : "";

    internal static void ForgetConsoleLog(string name) => File.Delete(LogOf(name));

    private static string LogOf(string name) => $"/var/log/xen/console/guest-{name}.log";

    internal static void AssertEventually(Func<bool> condition, Func<string> complaint)
    {
        // Long for a machine that emulates many things at once; seldom, as each look takes a processor away from what is waited for.
        for (var deadline = Environment.TickCount64 + 240_000; !condition(); Thread.Sleep(100))
            Assert.True(Environment.TickCount64 < deadline, complaint());
    }

    private static DomainConfigDraft Linux(string name, string kernel, GuestType type) => new()
    {
        Name = name,
        Kernel = $"{Dom0.Guests}/{kernel}",
        Ramdisk = Ramdisk,
        CommandLine = "console=hvc0 quiet",
        MemoryMiB = 160,
        VcpuCount = 1,
        Type = type,
    };

    private Domain Start(DomainConfigDraft draft)
    {
        ForgetConsoleLog(draft.Name!);
        return contract.Host.CreateDomain(DomainConfig.From(draft), TestContext.Current.CancellationToken);
    }

    private static void AssertSays(string name, string text) =>
        AssertEventually(() => ConsoleLog(name).Contains(text, StringComparison.OrdinalIgnoreCase), () => $"the console of {name} says: {ConsoleLog(name)}");
}
