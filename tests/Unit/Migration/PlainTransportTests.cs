using System.Net;
using LightVM.Errors;
using LightVM.Migration;
using static LightVM.Unit.Migration.TwoHosts;

namespace LightVM.Unit.Migration;

public sealed class PlainTransportTests : IDisposable
{
    private readonly TwoHosts _hosts = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _hosts.Dispose();

    [Fact]
    public void On_loopback_what_is_written_is_what_is_read_and_nothing_else()
    {
        using var link = Connect("127.0.0.1", _hosts.ListenPlainly());

        Assert.Equal(("127.0.0.1", "plain"), (link.PeerName, link.Transport));
        Assert.Equal("127.0.0.1", ReadLine(link));
        WriteLine(link, "hello");
        Assert.Equal("hello", ReadLine(link));
        link.CloseWriting();
        Assert.Equal(0, link.Stream.Read(new byte[1]));
    }

    [Fact]
    public void Other_machines_take_an_explicit_word()
    {
        var port = _hosts.ListenPlainly();

        Assert.Contains("192.0.2.1", AssertFails(ErrorIds.InsecureTransportRefused, () => Connect("192.0.2.1", port)).Message, StringComparison.Ordinal);
        AssertFails(ErrorIds.InsecureTransportRefused, () => Listen(IPAddress.Any, insecure: false));
        AssertFails(ErrorIds.InsecureTransportRefused, () => Listen(IPAddress.IPv6Any, insecure: false));
        AssertFails(ErrorIds.InsecureTransportRefused, () => Listen(IPAddress.Parse("192.0.2.1"), insecure: false));
        Listen(IPAddress.Any, insecure: true);
        using var link = PlainTransport.Connect("localhost", port, insecure: true, Patience, Cancellation);
        Assert.Equal("127.0.0.1", ReadLine(link));
    }

    [Fact]
    public void One_connection_too_many_is_told_so_and_closed()
    {
        var port = _hosts.ListenPlainly(limits: new ListenerLimits { Connections = 1 });
        using var first = Connect("127.0.0.1", port);
        ReadLine(first);

        using var second = Connect("127.0.0.1", port);
        Assert.Contains("1 connections", AssertFails(ErrorIds.PeerBusy, () => new MoveChannel(second).Receive(Hello.Read)).Message, StringComparison.Ordinal);
        Assert.Equal(0, second.Stream.Read(new byte[1]));
        Assert.Contains("1 connections", _hosts.NextLogged, StringComparison.Ordinal);
    }

    [Fact]
    public void A_connection_that_is_cut_is_lost_and_a_disposed_one_is_disposed()
    {
        var port = _hosts.ListenPlainly();
        using var proxy = new DamagingProxy(port, int.MaxValue, 0);
        var link = Connect("127.0.0.1", proxy.Port);
        ReadLine(link);

        proxy.Cut();
        AssertFails(ErrorIds.ConnectionLost, () =>
        {
            while (true) link.Stream.Write(new byte[1000]);
        });
        link.Dispose();
        Assert.Throws<ObjectDisposedException>(() => link.Stream.Read(new byte[1]));
    }

    [Fact]
    public async Task Cancelling_wakes_who_reads()
    {
        using var cancel = new CancellationTokenSource();
        using var link = Connect("127.0.0.1", _hosts.ListenPlainly((_, cancellation) => cancellation.WaitHandle.WaitOne()));
        using var aborting = link.AbortOn(cancel.Token);
        var reading = Task.Run(() => link.Stream.ReadExactly(new byte[1]), Cancellation);

        await cancel.CancelAsync();

        Assert.Equal(ErrorIds.OperationCancelled, (await Assert.ThrowsAnyAsync<LvmException>(() => reading.WaitAsync(Patience, Cancellation))).ErrorId);
    }

    private static MigrationLink Connect(string address, int port) => PlainTransport.Connect(address, port, insecure: false, Patience, Cancellation);

    private static void Listen(IPAddress address, bool insecure)
    {
        using var listener = new PlainListener(new IPEndPoint(address, 0), insecure, new ListenerLimits(), _ => { });
    }
}
