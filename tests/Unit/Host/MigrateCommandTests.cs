using System.Net;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host;
using LightVM.Hosts;
using LightVM.Migration;

namespace LightVM.Unit.Host;

/// <summary><c>lightvm migrate</c> from one simulated host to another, over plain TCP on this machine.</summary>
public sealed class MigrateCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();
    private readonly LvmHost _there = LvmHost.OpenSimulated();
    private readonly PlainListener _listener = new(new IPEndPoint(IPAddress.Loopback, 0), insecure: false, new ListenerLimits(), _ => { });
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread _serving;

    public MigrateCommandTests()
    {
        _serving = new Thread(() => _listener.Run((link, token) => _there.Moves.Serve(link, _ => { }, token), _stop.Token));
        _serving.Start();
        Assert.Equal(0, _lightvm.Run("create", _lightvm.Config("web", """, "xen": { "pvh": true }""")).ExitCode);
    }

    private string Port => _listener.Address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);

    public void Dispose()
    {
        _stop.Cancel();
        _serving.Join();
        _listener.Dispose();
        _stop.Dispose();
        _there.Dispose();
        _lightvm.Dispose();
    }

    [Fact]
    public void A_domain_goes_to_the_host_that_is_named_as_Chaos_named_it()
    {
        var uuid = Guests(_lightvm.Host).Single().Uuid;

        var run = _lightvm.Run("migrate", "web", "127.0.0.1", Port, "-t", "plain", "-e");

        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Matches($@"^web  plain://127\.0\.0\.1:{Port}  \d+ KiB  \d+\.\d\d\d s, stood still \d+ ms$", Assert.Single(run.Lines));
        Assert.Empty(Guests(_lightvm.Host));
        Assert.Equal((uuid, "web"), Guests(_there).Select(domain => (domain.Uuid, domain.Name)).Single());
    }

    [Fact]
    public void Json_has_everything()
    {
        var run = _lightvm.Run("migrate", "--json", "--max-rounds", "3", "--bandwidth", "1000", "web", $"plain://127.0.0.1:{Port}");

        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Equal("web", run.Json.GetProperty("name").GetString());
        Assert.Equal($"plain://127.0.0.1:{Port}", run.Json.GetProperty("target").GetString());
        Assert.Equal(Guests(_there).Single().Id, run.Json.GetProperty("targetId").GetUInt32());
        Assert.True(run.Json.GetProperty("live").GetBoolean());
        Assert.InRange(run.Json.GetProperty("rounds").GetInt32(), 1, 3);
        Assert.Equal(0, run.Json.GetProperty("warnings").GetArrayLength());
    }

    [Fact]
    public void What_is_sent_as_Chaos_does_is_taken_and_it_is_said_that_nobody_answers()
    {
        var run = _lightvm.Run("migrate", "--chaos", "web", "127.0.0.1", Port);
        _stop.Cancel();
        _serving.Join(); // it takes it, and says nothing

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("does not say whether it goes on there", run.Error, StringComparison.Ordinal);
        Assert.Empty(Guests(_lightvm.Host));
    }

    [Fact]
    public void What_the_target_says_against_it_is_the_error_or_the_report()
    {
        using var other = new Lightvm();
        _there.CreateDomain(DomainConfigJson.ReadFile(other.Config("web")), TestContext.Current.CancellationToken);

        var report = _lightvm.Run("migrate", "--compare", "web", $"plain://127.0.0.1:{Port}");
        var refused = _lightvm.Run("migrate", "--json", "web", $"plain://127.0.0.1:{Port}");

        Assert.Equal(ExitCodes.Of(ErrorKind.Conflict), report.ExitCode);
        Assert.Equal($"web  plain://127.0.0.1:{Port}  cannot be moved", report.Lines[0]);
        Assert.StartsWith("  DomainNameTaken: ", report.Lines[1], StringComparison.Ordinal);
        Assert.Equal(report.ExitCode, refused.ExitCode);
        Assert.Equal("DomainNameTaken", refused.Errors.Single().GetProperty("id").GetString());
        Assert.Single(Guests(_lightvm.Host));
    }

    [Fact]
    public void Where_nothing_is_undecided_there_is_nothing_to_resolve()
    {
        Assert.Equal("web  no move of it has ended undecided", Assert.Single(_lightvm.Run("migrate", "--resolve", "web").Lines));
        Assert.Equal("decided", _lightvm.Run("migrate", "--resolve", "--json", "web").Json.GetProperty("goesOn").GetString());
        Assert.Equal(ExitCodes.Of(ErrorKind.InvalidState), _lightvm.Run("migrate", "--resolve", "--keep", "web").ExitCode);
    }

    [Theory]
    [InlineData("Required argument missing", "web")]
    [InlineData("belong to --resolve", "web", "there", "--keep")]
    [InlineData("exclude each other", "web", "--resolve", "--keep", "--discard")]
    [InlineData("compares nothing", "web", "there", "--resolve")]
    [InlineData("at least 1", "web", "there", "--max-downtime", "0")]
    [InlineData("not be negative", "web", "there", "--max-rounds", "-1")]
    [InlineData("--bandwidth", "web", "there", "--bandwidth", "0")]
    [InlineData("is no port", "web", "there", "70000")]
    [InlineData("answers no questions", "web", "there", "--chaos", "--compare")]
    [InlineData("plain TCP", "web", "there", "--chaos", "-t", "ssh")]
    [InlineData("WAY", "web", "there", "-t", "carrier-pigeon")]
    public void A_command_line_that_makes_no_sense_does_nothing(string why, params string[] words)
    {
        var run = _lightvm.Run(["migrate", .. words]);

        Assert.Equal(ExitCodes.Usage, run.ExitCode);
        Assert.Contains(why == "WAY" ? "carrier-pigeon" : why, run.Error, StringComparison.Ordinal);
        Assert.Single(Guests(_lightvm.Host));
    }

    [Theory]
    [InlineData("HostNameInvalid", "web", "gopher://there")]
    [InlineData("DomainNotFound", "nobody", "plain://127.0.0.1:1")]
    [InlineData("ConnectionRefused", "web", "plain://127.0.0.1:1")]
    [InlineData("InsecureTransportRefused", "web", "plain://192.0.2.1")]
    [InlineData("InsecureTransportRefused", "web", "192.0.2.1", "--chaos")]
    public void What_cannot_be_done_has_its_id(string id, params string[] words)
    {
        var run = _lightvm.Run(["migrate", "--json", .. words]);

        Assert.Equal(id, run.Errors.Single().GetProperty("id").GetString());
        Assert.Equal(ExitCodes.Of(ErrorCatalog.Get(id).Kind), run.ExitCode);
        Assert.Single(Guests(_lightvm.Host));
    }

    [Theory]
    [InlineData("is no port", "70000")]
    [InlineData("is no port", "--plain", "-1")]
    [InlineData("--sessions must be", "--sessions", "0")]
    [InlineData("is no address", "--address", "there")]
    public void A_receiver_takes_no_command_line_that_makes_no_sense(string why, params string[] words)
    {
        var run = _lightvm.Run(["receive", .. words]);

        Assert.Equal(ExitCodes.Usage, run.ExitCode);
        Assert.Contains(why, run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("TrustMissing")]
    [InlineData("ListenerFailed", "--plain")]
    [InlineData("HostFileFailure", "--log-file", "/nonexistent/log")]
    public void A_receiver_that_cannot_begin_says_why(string id, params string[] words)
    {
        var run = _lightvm.Run(["receive", "--json", .. words, .. words is ["--plain"] ? [Port] : Array.Empty<string>()]);

        Assert.Equal(id, run.Errors.Last().GetProperty("id").GetString());
        Assert.Equal(ExitCodes.Of(ErrorCatalog.Get(id).Kind), run.ExitCode);
    }

    [Fact]
    public void Crash_points_of_both_sides_are_listed() =>
        Assert.Equal([.. MoveCrashPoints.Source, .. MoveCrashPoints.Target], _lightvm.Run("receive", "--list-crash-points").Lines);

    private static List<Domain> Guests(LvmHost host) => host.ListDomains().Where(domain => domain.Id != 0).ToList();
}
