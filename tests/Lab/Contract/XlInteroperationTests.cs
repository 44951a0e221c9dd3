using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>Xen's own tools and this one work on each other's domains.</summary>
public sealed class XlInteroperationTests(XenContractHost contract) : IClassFixture<XenContractHost>, IDisposable
{
    private readonly string _before = contract.DescribeTraces();

    public void Dispose()
    {
        foreach (var domain in contract.Host.ListDomains().Where(domain => domain.Name.StartsWith("xl-", StringComparison.Ordinal))) contract.Host.DestroyDomain(domain.Key);
        AssertEventually(() => contract.DescribeTraces() == _before, () => $"left behind; before:\n{_before}\nafter:\n{contract.DescribeTraces()}");
    }

    [Fact]
    public void Xl_lists_our_domain_with_its_name_memory_and_state()
    {
        var domain = Create("xl-lists");

        var line = Assert.Single(Dom0.Output("xl", "list").Split('\n'), text => text.StartsWith("xl-lists ", StringComparison.Ordinal));
        var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(domain.Id.ToString(System.Globalization.CultureInfo.InvariantCulture), fields[1]);
        Assert.Equal("4", fields[2]);
        Assert.Equal("1", fields[3]);
        Assert.Contains(domain.Uuid.ToString(), Dom0.Output("xl", "list", "-v"), StringComparison.Ordinal);
    }

    [Fact]
    public void Our_console_shows_what_the_guest_prints()
    {
        var domain = Create("xl-console", "some words for the guest");

        contract.Host.Consoles.WaitForLine(domain.Key, new Regex("command line: some words for the guest$"), TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        // xl attaches to the same pty; without a terminal it ends at the end of its input.
        var (_, output) = Dom0.Run("sh", "-c", "timeout 5 xl console xl-console </dev/null");
        Assert.DoesNotContain("unable", output, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Xl_shuts_our_domain_down()
    {
        var domain = Create("xl-shutdown");
        AssertEventually(() => ConsoleLog("xl-shutdown").Length > 0, () => "the guest never printed anything");

        Dom0.Output("xl", "shutdown", "xl-shutdown");
        AssertEventually(() => contract.Host.GetDomain(domain.Key).ShutdownReason == ShutdownReason.Poweroff, () => $"it is {contract.Host.GetDomain(domain.Key).State}");
    }

    [Fact]
    public void Xl_destroys_our_domain_and_leaves_nothing()
    {
        var domain = Create("xl-destroy");
        Dom0.Output("xl", "destroy", "xl-destroy");

        Assert.DoesNotContain(contract.Host.ListDomains(), other => other.Key == domain.Key && other.State != DomainState.Dying);
        var error = Assert.ThrowsAny<LvmException>(() => contract.Host.PauseDomain(domain.Key));
        Assert.Equal(ErrorIds.DomainGone, error.ErrorId);
    }

    [Fact]
    public void Xl_renames_our_domain_and_we_notice()
    {
        var domain = Create("xl-before");
        Dom0.Output("xl", "rename", "xl-before", "xl-after");

        Assert.Equal("xl-after", contract.Host.GetDomain(domain.Key).Name);
        Create("xl-before");
    }

    [Fact]
    public void We_rename_a_domain_and_xl_notices()
    {
        var domain = Create("xl-ours");
        contract.Host.RenameDomain(domain.Key, "xl-theirs");

        Assert.Equal(domain.Id.ToString(System.Globalization.CultureInfo.InvariantCulture), Dom0.Output("xl", "domid", "xl-theirs").Trim());
    }

    [Fact]
    public void We_show_pause_and_remove_a_domain_of_xl()
    {
        var config = contract.WriteFile("xl-made.cfg", System.Text.Encoding.UTF8.GetBytes($"name='xl-made'\nkernel='{Dom0.TinyKernel}'\nmemory=4\nvcpus=1\n"));
        Dom0.Output("xl", "create", "-q", config);

        var domain = contract.Host.GetDomain("xl-made");
        Assert.Equal(GuestType.PV, domain.Type);
        Assert.NotNull(domain.Uptime);
        Assert.Equal(DomainState.Paused, contract.Host.PauseDomain(domain.Key).State);
        Assert.Throws<LvmException>(() => Create("xl-made"));
        contract.Host.UnpauseDomain(domain.Key);
        contract.Host.DestroyDomain(domain.Key);
        Assert.DoesNotContain("xl-made", Dom0.Output("xl", "list"), StringComparison.Ordinal);
    }

    private Domain Create(string name, string commandLine = "")
    {
        GuestTests.ForgetConsoleLog(name);
        return contract.Host.CreateDomain(
            DomainConfig.From(new DomainConfigDraft { Name = name, Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, CommandLine = commandLine }),
            TestContext.Current.CancellationToken);
    }

    private static string ConsoleLog(string name) => GuestTests.ConsoleLog(name);

    private static void AssertEventually(Func<bool> condition, Func<string> complaint) => GuestTests.AssertEventually(condition, complaint);
}
