using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>The guests of src/Native/guests at work: what they serve is there, and stays there whatever is done with their domains.</summary>
public sealed class UnikernelTests(XenContractHost contract, RunningDeviceDaemon daemon) : DeviceTests(contract, daemon), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    private const string Address = "192.168.77.30";
    private const string OtherAddress = "192.168.77.31";
    private const int DaytimePort = 13;
    private const int WebPort = 80;
    private const int EchoPort = 7;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void Daytime_tells_the_time_to_dom0_and_to_another_guest(GuestType type)
    {
        Start("daytime", type, Address);
        var other = LinuxGuest.Start(Host, "dev-asks", GuestType.PV, $"lab.net={OtherAddress}", draft => draft.Vifs = [Vif()]);

        AssertTellsTime();
        other.Says("eth0 answers");
        other.Ask($"nc {Address} {DaytimePort} </dev/null | sed 's/.*-\\(UTC\\).*/guest: it was told \\1 after/'", "it was told UTC");
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void The_web_server_answers_many_at_once_and_refuses_what_it_has_not_got(GuestType type)
    {
        Start("webserver", type, Address);

        var answers = Enumerable.Range(0, 32).AsParallel().WithDegreeOfParallelism(32).Select(_ => Ask("GET / HTTP/1.0\r\n\r\n")).ToList();

        Assert.All(answers, answer => Assert.StartsWith("HTTP/1.0 200 OK\r\n", answer, StringComparison.Ordinal));
        Assert.All(answers, answer => Assert.Contains($"A {type} guest", answer, StringComparison.Ordinal));
        Assert.Contains(answers, answer => answer.Contains("32 pages", StringComparison.Ordinal));
        Assert.StartsWith("HTTP/1.0 404 ", Ask("GET /other HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.0 405 ", Ask("POST / HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.0 400 ", Ask($"GET /{new string('x', 2000)} HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n", Ask("HEAD / HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_connection_goes_on_through_checkpoints_saves_and_restores(GuestType type)
    {
        var domain = Start("template", type, Address);
        var image = Image("template.lightvm");
        using var connection = Connect(EchoPort);
        AssertEchoes(connection, "before");

        Host.Images.Save(domain.Key, image, new SaveOptions { KeepRunning = true, Overwrite = true }, Cancellation);
        AssertEchoes(connection, "after a checkpoint");
        for (var round = 0; round < 3; round++)
        {
            Host.Images.Save(domain.Key, image, new SaveOptions { Overwrite = true }, Cancellation);
            domain = Host.Images.Restore(image, cancellation: Cancellation);
            AssertEchoes(connection, $"after restore {round}");
        }
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void More_is_echoed_than_all_rings_and_windows_hold(GuestType type)
    {
        var domain = Start("template", type, Address);
        using var connection = Connect(EchoPort);

        GuestService.AssertEchoesMuch(connection, $"vif{domain.Id}.0");
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void It_ends_and_starts_again_as_it_is_asked_to(GuestType type)
    {
        var domain = Start("daytime", type, Address);
        AssertTellsTime();

        var again = Host.Lifecycle.Restart(domain.Key, Patience, cancellation: Cancellation);
        Assert.NotEqual(domain.Id, again.Id);
        AssertTellsTime();

        var ended = Host.Lifecycle.Stop(again.Key, Patience, keep: true, cancellation: Cancellation);
        Assert.Equal(ShutdownReason.Poweroff, ended!.ShutdownReason);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void It_goes_on_with_another_interface(GuestType type)
    {
        var domain = Start("daytime", type, Address);
        AssertTellsTime();

        Host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
        Host.Devices.AddNetworkAdapter(domain.Key, Vif(), cancellation: Cancellation);

        AssertTellsTime();
    }

    [Fact]
    public void Without_an_address_it_asks_DHCP()
    {
        var folder = Directory.CreateTempSubdirectory("lightvm-dhcp-");
        AtEnd(() => folder.Delete(recursive: true));
        var config = Path.Combine(folder.FullName, "udhcpd.conf");
        File.WriteAllLines(config, [$"start {Address}", $"end {Address}", $"interface {Bridge}", $"lease_file {folder.FullName}/leases", $"pidfile {folder.FullName}/pid", "option subnet 255.255.255.0"]);
        File.WriteAllText(Path.Combine(folder.FullName, "leases"), "");
        var server = Process.Start(new ProcessStartInfo("busybox", ["udhcpd", "-f", config]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        AtEnd(() =>
        {
            server.Kill();
            server.Dispose();
        });

        Start("daytime", GuestType.PV, address: null);

        Says("daytime", $"address {Address}");
        AssertTellsTime();
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void Timecost_says_what_its_start_took(GuestType type)
    {
        Start("timecost", type, address: null, vifs: 0);

        Says("timecost", "first instruction to main:");
        Says("timecost", "first run to main:");
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void Idle_does_what_its_console_is_told(GuestType type)
    {
        var domain = Start("idle", type, address: null, vifs: 0, draft => draft.OnPoweroff = LifecycleAction.Preserve);
        Says("idle", $"hello from a {type} guest");

        Host.Consoles.Send(domain.Key, "poweroff\n", Patience, Cancellation);

        GuestTests.AssertEventually(() => Host.GetDomain(domain.Key).ShutdownReason == ShutdownReason.Poweroff, () => $"it says: {GuestTests.ConsoleLog("dev-idle")}");
    }

    private Domain Start(string guest, GuestType type, string? address, int vifs = 1, Action<DomainConfigDraft>? change = null)
    {
        var name = $"dev-{guest}";
        GuestTests.ForgetConsoleLog(name);
        var draft = new DomainConfigDraft
        {
            Name = name,
            Kernel = new GuestImages([Path.Combine(Dom0.Build, "guests")]).Find(guest),
            CommandLine = address is null ? null : $"ip={address}/24",
            MemoryMiB = GuestImages.MemoryMiB,
            VcpuCount = 1,
            Type = type,
            Vifs = Enumerable.Repeat(Vif(), vifs).ToArray(),
        };
        change?.Invoke(draft);
        return Host.CreateDomain(DomainConfig.From(draft), Cancellation);
    }

    private static void Says(string guest, string text) =>
        GuestTests.AssertEventually(() => GuestTests.ConsoleLog($"dev-{guest}").Contains(text, StringComparison.Ordinal), () => $"it says: {GuestTests.ConsoleLog($"dev-{guest}")}");

    /// <summary>Its clock is Xen's, which is this one's: a minute is for busy machines.</summary>
    private static void AssertTellsTime()
    {
        var told = Converse(DaytimePort, "");
        var time = DateTime.ParseExact(told, "dddd, MMMM d, yyyy HH:mm:ss'-UTC\r\n'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
        Assert.InRange(DateTime.UtcNow - time, TimeSpan.FromMinutes(-1), TimeSpan.FromMinutes(1));
    }

    private static string Ask(string request) => Converse(WebPort, request);

    /// <summary>What is answered until the other side closes.</summary>
    private static string Converse(int port, string request)
    {
        using var connection = Connect(port);
        connection.GetStream().Write(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(connection.GetStream(), Encoding.ASCII);
        return reader.ReadToEnd();
    }

    private static void AssertEchoes(TcpClient connection, string text)
    {
        var (sent, received) = (Encoding.ASCII.GetBytes(text), new byte[text.Length]);
        connection.GetStream().Write(sent);
        connection.GetStream().ReadExactly(received);
        Assert.Equal(sent, received);
    }

    /// <summary>Linux asks again for as long as the guest is on its way.</summary>
    private static TcpClient Connect(int port)
    {
        TcpClient? connection = null;
        SocketException? problem = null;
        GuestTests.AssertEventually(
            () =>
            {
                try
                {
                    connection = new TcpClient(Address, port) { ReceiveTimeout = (int)Patience.TotalMilliseconds, SendTimeout = (int)Patience.TotalMilliseconds };
                }
                catch (SocketException error)
                {
                    problem = error;
                }

                return connection is not null;
            },
            () => $"no connection to {Address}:{port}: {problem?.Message}");
        return connection!;
    }
}
