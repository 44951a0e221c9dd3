using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using LightVM.Errors;
using LightVM.Migration;
using LightVM.Trust;
using static LightVM.Unit.Migration.TwoHosts;

namespace LightVM.Unit.Migration;

public sealed class TlsTransportTests : IDisposable
{
    private readonly TwoHosts _hosts = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _hosts.Dispose();

    // --- who may ------------------------------------------------------------------------------------------------------

    [Fact]
    public void Both_sides_know_each_other_and_hear_each_other()
    {
        using var link = _hosts.Connect(_hosts.Listen());

        Assert.Equal((Receiver, "tls"), (link.PeerName, link.Transport));
        Assert.Equal(Sender, ReadLine(link)); // what the receiver calls us
        WriteLine(link, "hello");
        Assert.Equal("hello", ReadLine(link));
        link.CloseWriting();
        Assert.Equal(0, link.Stream.Read(new byte[1]));
    }

    [Fact]
    public async Task Megabytes_go_both_ways_at_once()
    {
        using var link = _hosts.Connect(_hosts.Listen());
        ReadLine(link);
        var sent = new byte[20 << 20];
        new Random(1).NextBytes(sent);
        var received = new byte[sent.Length];

        var writing = Task.Run(() => link.Stream.Write(sent), Cancellation);
        await link.Stream.ReadExactlyAsync(received, Cancellation);
        await writing;

        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public void An_unknown_client_is_told_so_and_the_receiver_logs_its_key()
    {
        _hosts.There.RemovePeer(Sender);
        using var link = _hosts.Connect(_hosts.Listen());

        // It may even begin to send: the answer is there all the same.
        link.Stream.Write(new byte[100_000]);
        var error = AssertFails(ErrorIds.PeerRefused, () => link.Stream.ReadExactly(new byte[1]));

        var key = _hosts.Here.GetIdentity().Fingerprint;
        Assert.Contains(key, error.Message, StringComparison.Ordinal);
        Assert.Contains(key, _hosts.NextLogged, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reading_asynchronously_it_is_told_so_too()
    {
        _hosts.There.RemovePeer(Sender);
        using var link = _hosts.Connect(_hosts.Listen());

        Assert.Equal(ErrorIds.PeerRefused, (await Assert.ThrowsAnyAsync<LvmException>(() => link.Stream.ReadAsync(new byte[1], Cancellation).AsTask())).ErrorId);
    }

    [Fact]
    public void A_peer_that_was_removed_does_not_get_in_by_a_session_that_it_kept()
    {
        var port = _hosts.Listen();
        for (var i = 0; i < 2; i++)
        {
            using var link = _hosts.Connect(port);
            Assert.Equal(Sender, ReadLine(link));
        }

        _hosts.There.RemovePeer(Sender);
        using var refused = _hosts.Connect(port);
        AssertFails(ErrorIds.PeerRefused, () => ReadLine(refused));
        // And who comes under another name is called by that.
        _hosts.There.Admit("somebody", _hosts.Here.GetIdentity().Fingerprint);
        using var again = _hosts.Connect(port);
        Assert.Equal("somebody", ReadLine(again));
    }

    [Fact]
    public void A_server_with_another_key_is_refused_and_both_keys_are_named()
    {
        var port = _hosts.Listen();
        using (var link = _hosts.Connect(port)) ReadLine(link); // there is a session by now
        var other = _hosts.Here.Admit(Receiver, _hosts.Here.GetIdentity().Fingerprint, force: true);

        var error = AssertFails(ErrorIds.PeerMismatch, () => _hosts.Connect(port));

        Assert.Contains(other.Fingerprint, error.Message, StringComparison.Ordinal);
        Assert.Contains(_hosts.There.GetIdentity().Fingerprint, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_was_replaced_counts_from_the_next_connection_on()
    {
        var port = _hosts.Listen();
        using (var link = _hosts.Connect(port)) ReadLine(link);
        _hosts.There.CreateIdentity(force: true);
        AssertFails(ErrorIds.PeerMismatch, () => _hosts.Connect(port));

        _hosts.Here.Admit(Receiver, _hosts.There.GetIdentity().Fingerprint, force: true);
        using var again = _hosts.Connect(port);
        Assert.Equal(Sender, ReadLine(again));
    }

    [Fact]
    public void A_receiver_whose_key_was_removed_lets_nobody_in_and_says_why()
    {
        var port = _hosts.Listen();
        _hosts.There.RemoveIdentity();

        AssertFails(ErrorIds.HandshakeFailed, () => _hosts.Connect(port));

        Assert.Contains("has no key of its own", _hosts.NextLogged, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_key_of_its_own_or_of_the_peer_nobody_connects_or_listens()
    {
        _hosts.Here.RemovePeer(Receiver);
        AssertFails(ErrorIds.PeerUnknown, () => _hosts.Connect(1));
        AssertFails(ErrorIds.PeerUnknown, () => TlsTransport.Connect(_hosts.Here, "no/name", 1, null, Patience, Cancellation));
        _hosts.Here.RemoveIdentity();
        AssertFails(ErrorIds.TrustMissing, () => _hosts.Connect(1));
        _hosts.There.RemoveIdentity();
        AssertFails(ErrorIds.TrustMissing, () => _hosts.Listen());
    }

    [Fact]
    public async Task A_client_without_a_certificate_is_not_let_in()
    {
        var port = _hosts.Listen(Never);

        await AssertShut(port, new SslClientAuthenticationOptions { TargetHost = "x" });
    }

    [Fact]
    public async Task Older_TLS_is_refused()
    {
        var port = _hosts.Listen(Never);
        using var identity = _hosts.Here.LoadIdentity();
#pragma warning disable CA5398 // Older versions are what this is about.
        await AssertShut(port, new SslClientAuthenticationOptions { TargetHost = "x", ClientCertificateContext = identity.Context, EnabledSslProtocols = SslProtocols.Tls12 });
#pragma warning restore CA5398
    }

    [Fact]
    public void A_server_that_only_speaks_older_TLS_is_refused()
    {
        using var identity = _hosts.There.LoadIdentity();
        var port = Fake(socket =>
        {
            using var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
#pragma warning disable CA5398
            tls.AuthenticateAsServer(new SslServerAuthenticationOptions { ServerCertificateContext = identity.Context, EnabledSslProtocols = SslProtocols.Tls12 });
#pragma warning restore CA5398
        });

        AssertFails(ErrorIds.HandshakeFailed, () => _hosts.Connect(port));
    }

    [Fact]
    public void Two_names_for_one_peer_are_one_peer()
    {
        _hosts.Here.Admit("127.0.0.1", _hosts.There.GetIdentity().Fingerprint);

        using var link = TlsTransport.Connect(_hosts.Here, "127.0.0.1", _hosts.Listen(), null, Patience, Cancellation);

        Assert.Equal("127.0.0.1", link.PeerName);
        Assert.Equal(Sender, ReadLine(link));
    }

    [Fact]
    public void The_second_connection_resumes_the_session_of_the_first()
    {
        var port = _hosts.Listen((link, _) => WriteLine(link, link.PeerName));

        int first = Traffic(port), second = Traffic(port);

        // Neither certificates nor signatures go over the wire.
        Assert.True(second < first - 500, $"{first} bytes, then {second}");
    }

    private int Traffic(int port)
    {
        using var proxy = new DamagingProxy(port, int.MaxValue, 0);
        using var link = _hosts.Connect(proxy.Port);
        Assert.Equal(Sender, ReadLine(link));
        Assert.Equal(0, link.Stream.Read(new byte[1]));
        return proxy.Passed;
    }

    // --- who stalls and who lies --------------------------------------------------------------------------------------

    [Fact]
    public void Those_who_stall_do_not_keep_others_out_and_have_to_go()
    {
        var port = _hosts.Listen(limits: new ListenerLimits { Handshakes = 4, HandshakeTime = TimeSpan.FromHours(1) });
        var stalled = Enumerable.Range(0, 8).Select(_ => Raw(port)).ToList();

        using var link = _hosts.Connect(port);
        Assert.Equal(Sender, ReadLine(link));

        // Four of the eight had to make room, and one more for the link.
        for (var i = 0; i < 5; i++) Assert.Contains("others came", _hosts.NextLogged, StringComparison.Ordinal);
        Assert.All(stalled.Take(5), socket => Assert.True(HasEnded(socket)));
        stalled.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public void Who_does_not_say_who_it_is_is_left()
    {
        var port = _hosts.Listen(limits: new ListenerLimits { HandshakeTime = TimeSpan.FromMilliseconds(300) });
        using var silent = Raw(port);
        using var slow = Raw(port);
        slow.Send([22, 3, 1, 2, 0, 1]);

        Assert.True(HasEnded(silent));
        Assert.True(HasEnded(slow));
        Assert.Contains("0.3 s", _hosts.NextLogged, StringComparison.Ordinal);
    }

    [Fact]
    public void One_connection_too_many_is_told_so()
    {
        var port = _hosts.Listen(limits: new ListenerLimits { Connections = 2 });
        using MigrationLink first = _hosts.Connect(port), second = _hosts.Connect(port);
        ReadLine(first);
        ReadLine(second);

        using (var third = _hosts.Connect(port)) Assert.Contains("2 connections", AssertFails(ErrorIds.PeerBusy, () => ReadLine(third)).Message, StringComparison.Ordinal);

        Assert.Contains("2 connections", _hosts.NextLogged, StringComparison.Ordinal);
        first.CloseWriting();
        Assert.Equal(0, first.Stream.Read(new byte[1])); // it has been served
        Assert.True(SpinWait.SpinUntil(() =>
        {
            using var link = _hosts.Connect(port);
            try
            {
                return ReadLine(link) == Sender;
            }
            catch (LvmException error) when (error.ErrorId == ErrorIds.PeerBusy)
            {
                return false; // its end is noticed a little later
            }
        }, Patience));
    }

    [Fact]
    public void One_peer_cannot_take_all_connections()
    {
        var port = _hosts.Listen(limits: new ListenerLimits { ConnectionsOfPeer = 1 });
        using var first = _hosts.Connect(port);
        ReadLine(first);

        using var second = _hosts.Connect(port);
        AssertFails(ErrorIds.PeerBusy, () => ReadLine(second));

        _hosts.Here.CreateIdentity(force: true);
        _hosts.There.Admit("other", _hosts.Here.GetIdentity().Fingerprint);
        using var other = _hosts.Connect(port);
        Assert.Equal("other", ReadLine(other));
    }

    [Fact]
    public void Garbage_ends_no_listener()
    {
        var port = _hosts.Listen(limits: new ListenerLimits { HandshakeTime = TimeSpan.FromSeconds(20) });
        var random = new Random(23);
        for (var i = 0; i < 300; i++)
        {
            var noise = new byte[random.Next(1, 2000)];
            random.NextBytes(noise);
            // Half of it looks like the beginning of a handshake.
            if (i % 2 == 0) new byte[] { 22, 3, 1, (byte)random.Next(8), (byte)random.Next(256), 1 }.AsSpan(0, Math.Min(6, noise.Length)).CopyTo(noise);
            using var socket = Raw(port);
            Ignore(() => socket.Send(noise));
            if (i % 3 == 0) Ignore(() => socket.Shutdown(SocketShutdown.Send));
        }

        using var link = _hosts.Connect(port);
        Assert.Equal(Sender, ReadLine(link));
        for (var i = 0; i < 300; i++)
        {
            var line = _hosts.NextLogged;
            Assert.Contains("not let in", line, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", line, StringComparison.Ordinal); // nothing that nobody thought of
        }
    }

    [Fact]
    public void Garbage_in_the_middle_of_a_handshake_or_of_the_stream_ends_that_connection_only()
    {
        var port = _hosts.Listen();
        using var intact = _hosts.Connect(port);
        Assert.Equal(Sender, ReadLine(intact));
        var random = new Random(42);
        for (var damaged = 0; damaged < 60; damaged++)
        {
            // The bytes of a real client and a real server, one of them changed on its way.
            using var proxy = new DamagingProxy(port, damaged * 40 + random.Next(40), (byte)random.Next(1, 256));
            Ignore(() =>
            {
                // A changed length makes one side wait for what the other never sends.
                using var link = _hosts.Connect(proxy.Port, TimeSpan.FromSeconds(1));
                link.Stream.ReadTimeout = 1000;
                Assert.Equal(Sender, ReadLine(link));
                WriteLine(link, "hello");
                // What comes is what was sent, or nothing.
                Assert.Equal("hello", ReadLine(link));
            });
        }

        WriteLine(intact, "still here");
        Assert.Equal("still here", ReadLine(intact));
    }

    [Fact]
    public void A_server_that_is_none_is_told_from_one_that_has_stalled()
    {
        AssertFails(ErrorIds.HandshakeFailed, () => _hosts.Connect(Fake(socket => socket.Send("SSH-2.0-OpenSSH_9.2\r\n"u8))));
        AssertFails(ErrorIds.HandshakeFailed, () => _hosts.Connect(Fake(_ => { })));
        using var nobody = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        AssertFails(ErrorIds.ConnectionRefused, () => _hosts.Connect(((IPEndPoint)nobody.LocalEndPoint!).Port));
        AssertFails(ErrorIds.ConnectionFailed, () => TlsTransport.Connect(_hosts.Here, "no-such-host.invalid", 1, Receiver, Patience, Cancellation));
        nobody.Listen();
        AssertFails(ErrorIds.ConnectionTimeout, () => TlsTransport.Connect(_hosts.Here, "127.0.0.1", ((IPEndPoint)nobody.LocalEndPoint!).Port, Receiver, TimeSpan.FromMilliseconds(200), Cancellation));
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        AssertFails(ErrorIds.OperationCancelled, () => TlsTransport.Connect(_hosts.Here, "127.0.0.1", ((IPEndPoint)nobody.LocalEndPoint!).Port, Receiver, Patience, cancel.Token));
    }

    [Fact]
    public void A_receiver_that_says_no_known_word_is_none()
    {
        using var identity = _hosts.There.LoadIdentity();
        foreach (var (word, id) in new (byte[], string)[] { ([7, 0, 0], ErrorIds.ConnectionLost), ([1, 255, 255], ErrorIds.ConnectionLost), ([1, 3, 0, 27, 91, 65], ErrorIds.PeerRefused), ([], ErrorIds.ConnectionLost) })
        {
            var port = Fake(socket =>
            {
                using var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
                tls.AuthenticateAsServer(new SslServerAuthenticationOptions { ServerCertificateContext = identity.Context, EnabledSslProtocols = SslProtocols.Tls13 });
                tls.Write(word);
            });
            using var link = _hosts.Connect(port);
            Assert.DoesNotContain("\u001b", AssertFails(id, () => ReadLine(link)).Message, StringComparison.Ordinal);
        }
    }

    // --- how it ends --------------------------------------------------------------------------------------------------

    [Fact]
    public void A_connection_that_is_cut_in_the_middle_is_lost()
    {
        var port = _hosts.Listen();
        using var proxy = new DamagingProxy(port, int.MaxValue, 0);
        using var link = _hosts.Connect(proxy.Port);
        ReadLine(link);

        proxy.Cut();

        AssertFails(ErrorIds.ConnectionLost, () =>
        {
            while (true)
            {
                link.Stream.Write(new byte[1000]);
                if (link.Stream.Read(new byte[1000]) == 0) throw new LvmException(ErrorIds.ConnectionLost, "it is at its end");
            }
        });
    }

    [Fact]
    public async Task Cancelling_wakes_who_reads_and_who_writes()
    {
        var port = _hosts.Listen((link, cancellation) => cancellation.WaitHandle.WaitOne());
        foreach (var work in new Action<Stream>[]
        {
            stream => stream.ReadExactly(new byte[1]),
            stream => stream.ReadExactlyAsync(new byte[1], Cancellation).AsTask().GetAwaiter().GetResult(),
            stream => stream.Write(new byte[100 << 20]),
            stream => stream.WriteAsync(new byte[100 << 20], Cancellation).AsTask().GetAwaiter().GetResult(),
        })
        {
            using var cancel = new CancellationTokenSource();
            using var link = _hosts.Connect(port);
            using var aborting = link.AbortOn(cancel.Token);
            var waiting = Task.Run(() => work(link.Stream), Cancellation);
            Assert.NotSame(waiting, await Task.WhenAny(waiting, Task.Delay(100, Cancellation)));
            await cancel.CancelAsync();
            Assert.Equal(ErrorIds.OperationCancelled, (await Assert.ThrowsAnyAsync<LvmException>(() => waiting.WaitAsync(Patience, Cancellation))).ErrorId);
        }
    }

    [Fact]
    public void A_peer_that_sends_or_takes_nothing_is_left_at_the_deadline()
    {
        var port = _hosts.Listen((link, cancellation) => cancellation.WaitHandle.WaitOne());
        using (var link = _hosts.Connect(port))
        {
            link.Stream.ReadTimeout = 200;
            Assert.Contains("0.2 s", AssertFails(ErrorIds.ConnectionTimeout, () => link.Stream.ReadExactly(new byte[1])).Message, StringComparison.Ordinal);
            AssertFails(ErrorIds.ConnectionTimeout, () => link.Stream.Write(new byte[1])); // nobody knows how far the peer has come
        }

        using (var link = _hosts.Connect(port))
        {
            link.Stream.WriteTimeout = 200;
            AssertFails(ErrorIds.ConnectionTimeout, () => link.Stream.Write(new byte[100 << 20]));
        }
    }

    [Fact]
    public async Task What_was_written_before_the_link_is_disposed_arrives()
    {
        var heard = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var port = _hosts.Listen((link, _) =>
        {
            long all = 0;
            var buffer = new byte[10_000];
            for (int count; (count = link.Stream.Read(buffer)) > 0;) all += count;
            heard.SetResult(all);
        });

        using (var link = _hosts.Connect(port)) link.Stream.Write(new byte[3_000_000]);

        Assert.Equal(3_000_000, await heard.Task.WaitAsync(Patience, Cancellation));
    }

    [Fact]
    public void What_the_server_of_a_link_throws_is_logged_and_the_next_is_served()
    {
        var port = _hosts.Listen((link, _) => throw new LvmException(ErrorIds.DomainNameTaken, "there is one"));
        using (var link = _hosts.Connect(port)) Assert.Equal(0, link.Stream.Read(new byte[1]));

        Assert.Contains("there is one", _hosts.NextLogged, StringComparison.Ordinal);
        using var next = _hosts.Connect(port);
        Assert.Equal(0, next.Stream.Read(new byte[1]));
    }

    [Fact]
    public void An_address_that_is_in_use_or_not_here_is_named()
    {
        var port = _hosts.Listen();

        Assert.Contains($"{port}", AssertFails(ErrorIds.ListenerFailed, () => Listener(IPAddress.Loopback, port)).Message, StringComparison.Ordinal);
        AssertFails(ErrorIds.ListenerFailed, () => Listener(IPAddress.Parse("192.0.2.1"), 0));
    }

    // --- what it takes ------------------------------------------------------------------------------------------------

    private void Listener(IPAddress address, int port)
    {
        using var listener = new TlsListener(_hosts.There, new IPEndPoint(address, port), new ListenerLimits(), _ => { });
    }

    private static void Never(MigrationLink link, CancellationToken cancellation) => throw new InvalidOperationException("nobody was to be let in");

    /// <summary>Connects as no peer would; what comes out is the end of the connection and no word before.</summary>
    private async Task AssertShut(int port, SslClientAuthenticationOptions options)
    {
        options.RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null;
        using var socket = Raw(port);
        await using var tls = new SslStream(new NetworkStream(socket));
        try
        {
            await tls.AuthenticateAsClientAsync(options, Cancellation);
            Assert.Equal(0, await tls.ReadAsync(new byte[1], Cancellation));
        }
        catch (Exception error) when (error is AuthenticationException or IOException)
        {
            // Told by an alert.
        }

        Assert.Contains("not let in", _hosts.NextLogged, StringComparison.Ordinal);
        Assert.Equal(0, _hosts.LoggedCount);
    }

    private static Socket Raw(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = (int)Patience.TotalMilliseconds };
        socket.Connect(new IPEndPoint(IPAddress.Loopback, port));
        return socket;
    }

    private static bool HasEnded(Socket socket)
    {
        try
        {
            var buffer = new byte[100];
            while (socket.Receive(buffer) > 0)
            {
            }

            return true;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            return true;
        }
    }

    private static void Ignore(Action action)
    {
        try
        {
            action();
        }
        catch (Exception error) when (error is SocketException or LvmException or IOException)
        {
            // The other side has heard enough.
        }
    }

    /// <summary>A server of one connection.</summary>
    private static int Fake(Action<Socket> serve)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _ = Task.Run(() =>
        {
            using (listener)
            {
                using var socket = listener.Accept();
                Ignore(() =>
                {
                    try
                    {
                        serve(socket);
                    }
                    catch (AuthenticationException)
                    {
                        // The client has left.
                    }
                });
            }
        });
        return ((IPEndPoint)listener.LocalEndPoint!).Port;
    }
}
