using LightVM.Domains;
using LightVM.Hypervisor;
using LightVM.Simulation;

namespace LightVM.Unit.Host;

public sealed class CreateCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();

    public void Dispose() => _lightvm.Dispose();

    [Fact]
    public void Tells_name_id_and_time()
    {
        var run = _lightvm.Run("create", _lightvm.Config());

        Assert.Equal(0, run.ExitCode);
        Assert.Matches(@"^tiny  id 1  \d+\.\d\d ms\n$", run.Output);
        Assert.Empty(run.Error);
    }

    [Fact]
    public void Timings_show_each_step_and_what_lies_between()
    {
        var lines = _lightvm.Run("create", _lightvm.Config(), "--timings").Lines;

        Assert.Equal(["tiny", "domain", "vcpus", "limits", "ports", "devices", "memory", "kernel", "build", "boot", "grants", "publish", "backends", "start", "(checks)"],
            lines.Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[0]));
    }

    [Fact]
    public void A_count_numbers_the_names()
    {
        var run = _lightvm.Run("create", "-n", "3", _lightvm.Config());

        Assert.Equal(0, run.ExitCode);
        Assert.Equal(["tiny1", "tiny2", "tiny3"], _lightvm.Host.ListDomains().Skip(1).Select(domain => domain.Name).Order());
    }

    [Fact]
    public void Name_and_paused_take_precedence_over_the_file()
    {
        var run = _lightvm.Run("create", _lightvm.Config(), "--name", "other", "--paused");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal(DomainState.Paused, _lightvm.Host.GetDomain("other").State);
    }

    [Fact]
    public void A_paused_configuration_stays_paused_without_the_option()
    {
        _lightvm.Run("create", _lightvm.Config(more: ""","paused":true"""));

        Assert.Equal(DomainState.Paused, _lightvm.Host.GetDomain("tiny").State);
    }

    [Fact]
    public void Json_has_the_domain_and_its_creation()
    {
        var run = _lightvm.Run("create", "--json", "-n", "2", _lightvm.Config());

        Assert.Equal(2, run.Json.GetArrayLength());
        var domain = run.Json[1];
        Assert.Equal("tiny2", domain.GetProperty("name").GetString());
        Assert.InRange(domain.GetProperty("id").GetUInt32(), 1u, 2u); // whichever was first
        Assert.NotEqual(Guid.Empty, domain.GetProperty("uuid").GetGuid());
        Assert.Equal(4096, domain.GetProperty("memoryKiB").GetInt64());
        var creation = domain.GetProperty("creation");
        Assert.True(creation.GetProperty("milliseconds").GetDouble() > 0);
        Assert.Equal("domain", creation.GetProperty("steps")[0].GetProperty("name").GetString());
    }

    [Fact]
    public void A_count_of_one_is_numbered_too()
    {
        _lightvm.Run("create", "-n1", _lightvm.Config());

        Assert.Equal("tiny1", _lightvm.Host.GetDomain(1).Name);
    }

    [Fact]
    public void A_name_that_is_taken_does_not_end_a_count()
    {
        _lightvm.Run("create", _lightvm.Config(), "--name", "tiny2");

        var run = _lightvm.Run("create", "--json", "-n", "3", _lightvm.Config());

        Assert.Equal(5, run.ExitCode);
        Assert.Equal(["tiny1", "tiny3"], run.Json.EnumerateArray().Select(domain => domain.GetProperty("name").GetString()));
        Assert.Equal("DomainNameTaken", run.Errors.Single().GetProperty("id").GetString());
        Assert.Equal("tiny2", run.Errors.Single().GetProperty("domain").GetString());
    }

    [Fact]
    public void A_count_that_there_is_not_enough_for_is_refused_before_the_first()
    {
        using var lightvm = new Lightvm(new SimulatedHostOptions { TotalMemoryMiB = 1024 + 16 });

        var run = lightvm.Run("create", "-n", "9", lightvm.Config());

        Assert.Equal(7, run.ExitCode);
        Assert.Contains("enough for 3 of them", Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        Assert.Single(lightvm.Host.ListDomains());
    }

    [Theory]
    [InlineData("1")]
    [InlineData("4")]
    public void A_failure_that_all_would_share_is_told_once_and_ends_a_count(string jobs)
    {
        var run = _lightvm.Run("create", "-n", "9", "--jobs", jobs, _lightvm.Config(kernel: "/nowhere"));

        Assert.Equal(4, run.ExitCode);
        Assert.Equal("created 0 of 9", run.Lines[^1]);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void A_pattern_names_the_domains_of_a_count()
    {
        Assert.Equal(0, _lightvm.Run("create", "-n", "2", "--name-pattern", "{1}-{0:d3}", _lightvm.Config()).ExitCode);

        Assert.Equal(["tiny-001", "tiny-002"], _lightvm.Host.ListDomains().Skip(1).Select(domain => domain.Name).Order());
        Assert.Equal(2, _lightvm.Run("create", "--name-pattern", "x{0}", _lightvm.Config()).ExitCode);
        Assert.Equal(2, _lightvm.Run("create", "--jobs", "65", _lightvm.Config()).ExitCode);
    }

    [Fact]
    public void One_uuid_is_not_for_several_domains()
    {
        var config = _lightvm.Config(more: ""","uuid":"6e5ad019-8499-4fd9-aff6-cc13091055b2" """);

        var run = _lightvm.Run("create", "-n", "2", config);

        Assert.Equal(3, run.ExitCode); // the configuration is at fault, not the command line
        Assert.Contains("$.uuid", run.Error, StringComparison.Ordinal);
        Assert.Single(_lightvm.Host.ListDomains());
    }

    [Fact]
    public void A_name_that_is_no_name_creates_nothing()
    {
        var run = _lightvm.Run("create", _lightvm.Config(), "--name", "a b");

        Assert.Equal(3, run.ExitCode);
        Assert.Contains("$.name", run.Error, StringComparison.Ordinal);
        Assert.Single(_lightvm.Host.ListDomains());
    }

    [Theory]
    [InlineData(2, 130)]
    [InlineData(15, 143)]
    [InlineData(1, 129)]
    public void A_signal_leaves_nothing_and_gives_its_exit_code(int signal, int exitCode)
    {
        using var lightvm = new Lightvm { Signal = signal };

        var run = lightvm.Run("create", "-n", "3", lightvm.Config());

        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains("cancelled", run.Error, StringComparison.Ordinal);
        Assert.Single(lightvm.Host.ListDomains());
    }

    [Fact]
    public void Quiet_says_nothing() => Assert.Empty(_lightvm.Run("create", "-q", _lightvm.Config(), "--timings").Output);

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("many")]
    [InlineData("99999999999")]
    public void A_count_that_is_none_is_a_usage_error(string count)
    {
        var run = _lightvm.Run("create", $"--count={count}", _lightvm.Config());

        Assert.Equal(2, run.ExitCode);
        Assert.Single(_lightvm.Host.ListDomains());
    }

    [Fact]
    public void A_guest_by_name_needs_no_file()
    {
        using var guests = new GuestFolder("clock");

        var run = _lightvm.Run("create", "--guest", "clock", "--bridge", "xenbr0", "--cmdline", "ip=10.9.0.5/24", "--pvh");

        Assert.Equal(0, run.ExitCode);
        var domain = _lightvm.Host.GetDomain("clock");
        Assert.Equal(GuestType.PVH, domain.Type);
        Assert.Equal("xenbr0", Assert.Single(_lightvm.Host.Devices.ListNetworkAdapters(domain)).Bridge);
    }

    [Fact]
    public void Guests_by_name_are_named_and_counted_as_those_of_a_file()
    {
        using var guests = new GuestFolder("clock");

        Assert.Equal(0, _lightvm.Run("create", "-g", "clock", "--name", "c", "-n", "2", "--paused").ExitCode);

        Assert.Equal(DomainState.Paused, _lightvm.Host.GetDomain("c2").State);
    }

    [Fact]
    public void A_guest_that_is_not_there_is_told_with_those_that_are()
    {
        using var guests = new GuestFolder("clock");

        var run = _lightvm.Run("create", "--guest", "watch");

        Assert.Equal(4, run.ExitCode);
        Assert.Contains("clock", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("create")]
    [InlineData("create", "--guest", "clock", "file.json")]
    [InlineData("create", "--pvh", "file.json")]
    [InlineData("create", "--bridge", "xenbr0", "file.json")]
    [InlineData("create", "--cmdline", "x", "file.json")]
    public void A_file_or_a_guest_but_not_both(params string[] words) => Assert.Equal(2, _lightvm.Run(words).ExitCode);

    /// <summary>The folder of guests, for as long as a test wants another one: no other test looks there.</summary>
    private sealed class GuestFolder : IDisposable
    {
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("lightvm-unit-");

        public GuestFolder(string guest)
        {
            File.WriteAllBytes(Path.Combine(_directory.FullName, guest + ".elf"), SimulatedKernel.Create());
            Environment.SetEnvironmentVariable(GuestImages.Override, _directory.FullName);
        }

        public void Dispose()
        {
            Environment.SetEnvironmentVariable(GuestImages.Override, null);
            _directory.Delete(recursive: true);
        }
    }
}
