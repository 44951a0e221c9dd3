using System.Collections.Concurrent;
using System.Net;
using LightVM.Errors;
using LightVM.Migration;
using LightVM.Trust;

namespace LightVM.Unit.Migration;

/// <summary>A sender and a receiver on the loopback interface, each with a trust of its own.</summary>
internal sealed class TwoHosts : IDisposable
{
    public const string Receiver = "receiver";
    public const string Sender = "sender";

    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-transport-");
    private readonly CancellationTokenSource _stop = new();
    private readonly BlockingCollection<string> _log = [];
    private readonly List<(LinkListener Listener, Thread Thread)> _listeners = [];

    public TwoHosts()
    {
        Here = new TrustStore(Path.Combine(_folder.FullName, Sender));
        There = new TrustStore(Path.Combine(_folder.FullName, Receiver));
        Here.CreateIdentity();
        There.CreateIdentity();
        Here.Admit(Receiver, There.GetIdentity().Certificate!);
        There.Admit(Sender, Here.GetIdentity().Certificate!);
    }

    /// <summary>What the sender trusts.</summary>
    public TrustStore Here { get; }

    /// <summary>What the receiver trusts.</summary>
    public TrustStore There { get; }

    /// <summary>The next thing that the receiver logs.</summary>
    public string NextLogged => _log.TryTake(out var line, Patience) ? line : throw new TimeoutException("nothing was logged");

    public int LoggedCount => _log.Count;

    /// <summary>Listens over TLS and answers each link by <paramref name="serve"/>; gives the port.</summary>
    public int Listen(Action<MigrationLink, CancellationToken>? serve = null, ListenerLimits? limits = null) =>
        Start(new TlsListener(There, new IPEndPoint(IPAddress.Loopback, 0), limits ?? new ListenerLimits(), _log.Add), serve);

    public int ListenPlainly(Action<MigrationLink, CancellationToken>? serve = null, ListenerLimits? limits = null) =>
        Start(new PlainListener(new IPEndPoint(IPAddress.Loopback, 0), insecure: false, limits ?? new ListenerLimits(), _log.Add), serve);

    public MigrationLink Connect(int port, TimeSpan? patience = null) => TlsTransport.Connect(Here, "127.0.0.1", port, Receiver, patience ?? Patience, TestContext.Current.CancellationToken);

    /// <summary>Says the peer's name, then everything that it hears.</summary>
    public static void Echo(MigrationLink link, CancellationToken cancellation)
    {
        WriteLine(link, link.PeerName);
        var buffer = new byte[100_000];
        for (int count; (count = link.Stream.Read(buffer)) > 0;) link.Stream.Write(buffer, 0, count);
        link.CloseWriting();
    }

    public static void WriteLine(MigrationLink link, string line) => link.Stream.Write(System.Text.Encoding.UTF8.GetBytes(line + "\n"));

    public static string ReadLine(MigrationLink link)
    {
        var line = new List<byte>();
        while (true)
        {
            var letter = new byte[1];
            link.Stream.ReadExactly(letter);
            if (letter[0] == '\n') return System.Text.Encoding.UTF8.GetString(line.ToArray());
            line.Add(letter[0]);
        }
    }

    public static LvmException AssertFails(string id, Action action)
    {
        var error = Assert.ThrowsAny<LvmException>(action);
        Assert.True(id == error.ErrorId, $"{error.ErrorId}: {error}");
        return error;
    }

    public void Dispose()
    {
        _stop.Cancel();
        foreach (var (listener, thread) in _listeners)
        {
            Assert.True(thread.Join(Patience));
            listener.Dispose();
        }

        _stop.Dispose();
        _log.Dispose();
        _folder.Delete(recursive: true);
    }

    private int Start(LinkListener listener, Action<MigrationLink, CancellationToken>? serve)
    {
        var thread = new Thread(() => listener.Run((link, cancellation) =>
        {
            using var stopping = link.AbortOn(cancellation);
            (serve ?? Echo)(link, cancellation);
        }, _stop.Token));
        thread.Start();
        _listeners.Add((listener, thread));
        return listener.Address.Port;
    }
}
