using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Xen;

/// <summary>
/// A connection to Xenstore for what has to be quick. libxenstore waits for the answer to each request before it sends the next, and a new
/// guest has two dozen nodes; here they go out together and the answers are read together. And libxenstore has a thread of its own read
/// watch events, which twice costs a change of threads to learn that there are none; here they come in between the answers.
/// Members may be called from several threads.
/// </summary>
internal sealed class XenstorePipeline : IDisposable
{
    /// <summary>How often a transaction is tried again that somebody else's changes got in the way of.</summary>
    private const int Tries = 32;

    private const string NoSuchNode = "ENOENT";

    /// <summary>
    /// So many reads are shared out among connections. xenstored takes one request of a connection, then goes through all of its connections,
    /// those of all guests among them, before it takes the next: with a thousand guests a request costs hundreds of times as much as with
    /// none. Of many connections it takes as many requests each time.
    /// </summary>
    private const int ManyReads = 128;

    /// <summary>
    /// From so many answers on, nobody is hurried by their begin. xenstored says header and body of each answer and each event on their own, and where it shares a processor with who waits
    /// for them, each would be read before the next is said: a new guest's nodes take half as long again, or twice as long. Of one or two answers more is lost to others who wait for the processor, and of one that sets others to work.
    /// </summary>
    private const int ManyAnswers = 3;

    /// <summary>To open one costs as much as a request.</summary>
    private const int MostHelpers = 32;

    private readonly object _lock = new();
    private readonly string _path;
    private readonly List<(string Path, string Token)> _watches = [];
    private readonly Queue<string> _events = new();
    private Socket? _socket;
    private byte[] _received = new byte[4096];
    private int _begin;
    private int _end;

    private XenstorePipeline(string path)
    {
        _path = path;
        _socket = Connect();
    }

    /// <summary>Opens a connection to the socket that libxenstore would open. Errors: XenstoreUnavailable, XenNotPrivileged.</summary>
    public static XenstorePipeline Open() => Open(
        Environment.GetEnvironmentVariable("XENSTORED_PATH") is { Length: > 0 } path ? path
        : Path.Combine(Environment.GetEnvironmentVariable("XENSTORED_RUNDIR") is { Length: > 0 } folder ? folder : "/run/xenstored", "socket"));

    /// <summary>Opens a connection to a socket. Errors: XenstoreUnavailable, XenNotPrivileged.</summary>
    internal static XenstorePipeline Open(string path) => new(path);

    /// <summary>Asks to be told of every change below a path, beginning with the path itself. A connection that has to be made anew asks again.</summary>
    public void Watch(string path, string token)
    {
        lock (_lock)
        {
            _watches.Add((path, token));
            Connected(() => Ask(path, token));
        }
    }

    /// <summary>The paths that have changed up to now: one round trip, after which all events before it are here.</summary>
    public IReadOnlyList<string> ReadEvents()
    {
        lock (_lock)
        {
            AwaitEvents();
            return DrainEvents();
        }
    }

    /// <summary>Waits until all events up to now are here, to be taken: one round trip.</summary>
    public void AwaitEvents()
    {
        lock (_lock)
        {
            Connected(() =>
            {
                // The cheapest question there is: its answer takes no look at the tree.
                Send(XenstoreMessage.GetDomainPath, 0, "0"u8);
                if (ReadReply(out _) is { } error) throw Refused("/local/domain/0", error);
            });
        }
    }

    /// <summary>The paths of the changes that have arrived, without a question to the store.</summary>
    public IReadOnlyList<string> TakeEvents()
    {
        lock (_lock)
        {
            Connected(() =>
            {
                while (_end > _begin || _socket!.Available > 0)
                {
                    if (ReadMessage(out _) is var type && type != XenstoreMessage.WatchEvent) throw new InvalidDataException($"an answer of type {type} to no question");
                }
            });
            return DrainEvents();
        }
    }

    /// <summary>Makes all changes of a batch or none. Errors: StoreFailure.</summary>
    public void Commit(XenstoreBatch batch)
    {
        if (TryCommit(batch) is { } missing) throw Refused(missing, NoSuchNode);
    }

    /// <summary>Makes all changes of a batch, or none where there is no such node as one of its requests is about. Errors: StoreFailure.</summary>
    /// <returns>The path of the node that is missing; null when all changes are made.</returns>
    public string? TryCommit(XenstoreBatch batch)
    {
        string? missing = null;
        lock (_lock)
        {
            using var unhurried = UnhurriedThread.Begin();
            Connected(() =>
            {
                for (var attempt = 1; ; attempt++)
                {
                    var transaction = StartTransaction();
                    _socket!.Send(batch.For(transaction));
                    // All answers have to be read, even after one that says no: the next request's would be taken for theirs.
                    LvmException? refusal = null;
                    missing = null;
                    for (var i = 0; i < batch.Count; i++)
                    {
                        var error = ReadReply(out _);
                        if (error == NoSuchNode) missing ??= batch.PathOf(i);
                        else if (error is not null) refusal ??= Refused(batch.PathOf(i), error);
                    }

                    var end = EndTransaction(transaction, commit: refusal is null && missing is null);
                    if (refusal is not null) throw refusal;
                    if (end is null || missing is not null) return;
                    if (end != "EAGAIN" || attempt == Tries) throw Refused(batch.PathOf(0), end);
                }
            });
        }

        return missing;
    }

    /// <summary>The value of a node; null when there is no such node. Errors: StoreFailure, XenNotPrivileged.</summary>
    public string? Read(string path) => Read([path])[0];

    /// <summary>The names of a node's children, which have to be few: an answer has room for 4,096 bytes. None when there is no such node. Errors: StoreFailure, XenNotPrivileged.</summary>
    public string[] List(string path)
    {
        var question = new XenstoreBatch();
        question.List(path);
        return Names(Ask(question)[0]);
    }

    /// <summary>The values of nodes, in their order; null for those that there are not. Errors: StoreFailure, XenNotPrivileged.</summary>
    public IReadOnlyList<string?> Read(IReadOnlyList<string> paths)
    {
        if (paths.Count >= ManyReads) return ReadMany(paths);
        var values = new List<string?>(paths.Count);
        while (values.Count < paths.Count)
        {
            var batch = new XenstoreBatch();
            while (values.Count + batch.Count < paths.Count && batch.HasRoom) batch.Read(paths[values.Count + batch.Count]);
            values.AddRange(Ask(batch));
        }

        return values;
    }

    /// <summary>
    /// Does each request of a batch that can be done, and gives the answers in their order; null where there is no such node, which is no
    /// error. Errors: StoreFailure, for the first that failed.
    /// </summary>
    public IReadOnlyList<string?> Ask(XenstoreBatch batch)
    {
        string?[] answers = [];
        lock (_lock)
        {
            using var unhurried = batch.Count >= ManyAnswers && !batch.HasIntroduction ? UnhurriedThread.Begin() : default;
            Connected(() =>
            {
                _socket!.Send(batch.For(transaction: 0));
                answers = ReadAnswers(batch);
            });
        }

        return answers;
    }

    private string?[] ReadAnswers(XenstoreBatch batch)
    {
        var answers = new string?[batch.Count];
        LvmException? refusal = null;
        for (var i = 0; i < answers.Length; i++)
        {
            var error = ReadReply(out var answer);
            if (error is null) answers[i] = answer;
            else if (error != NoSuchNode) refusal ??= Refused(batch.PathOf(i), error);
        }

        return refusal is null ? answers : throw refusal;
    }

    /// <summary>The names of children that an answer to <see cref="XenstoreBatch.List"/> has; none of a node that there is not.</summary>
    public static string[] Names(string? answer) => answer is null ? [] : answer.Split('\0', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Makes each change of a batch that can be made; nodes to remove that do not exist are no error. Errors: StoreFailure, for the first that failed.</summary>
    public void Apply(XenstoreBatch batch) => Ask(batch);

    /// <summary>Waits until an event has arrived; false when none did in time. For a connection that one thread has to itself.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public bool WaitForEvent(TimeSpan timeout, CancellationToken cancellation)
    {
        lock (_lock)
        {
            if (_events.Count > 0 || _end > _begin) return true;
            cancellation.ThrowIfCancellationRequested();
            var arrived = false;
            Connected(() =>
            {
                arrived = Readiness.Await((int)_socket!.SafeHandle.DangerousGetHandle(), timeout, cancellation);
                if (arrived && _socket.Available == 0) throw new InvalidDataException("xenstored closed it");
            });
            return arrived;
        }
    }

    public void Dispose()
    {
        lock (_lock) Disconnect();
    }

    /// <summary>By connections that are there for nothing else: all are asked before the first is listened to.</summary>
    private string?[] ReadMany(IReadOnlyList<string> paths)
    {
        var values = new string?[paths.Count];
        var helpers = new List<XenstorePipeline>();
        using var unhurried = UnhurriedThread.Begin();
        try
        {
            while (helpers.Count < Math.Min(MostHelpers, (int)Math.Sqrt(paths.Count))) helpers.Add(new XenstorePipeline(_path));
            for (var next = 0; next < paths.Count;)
            {
                var asked = new List<(XenstorePipeline Helper, XenstoreBatch Batch, int First)>(helpers.Count);
                var share = (paths.Count - next + helpers.Count - 1) / helpers.Count;
                foreach (var helper in helpers)
                {
                    var batch = new XenstoreBatch();
                    var first = next;
                    while (next < paths.Count && batch.Count < share && batch.HasRoom) batch.Read(paths[next++]);
                    if (batch.Count == 0) break;
                    helper.Connected(() => helper._socket!.Send(batch.For(transaction: 0)));
                    asked.Add((helper, batch, first));
                }

                foreach (var (helper, batch, first) in asked) helper.Connected(() => helper.ReadAnswers(batch).CopyTo(values, first));
            }

            return values;
        }
        finally
        {
            foreach (var helper in helpers) helper.Dispose();
        }
    }

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(_path));
            return socket;
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw new LvmException(error.SocketErrorCode == SocketError.AccessDenied ? ErrorIds.XenNotPrivileged : ErrorIds.XenstoreUnavailable,
                $"Xenstore cannot be reached at '{_path}': {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>Does something over the connection, which is given up when it breaks in the middle: what was asked then is not known, and a new one begins clean.</summary>
    private void Connected(Action talk)
    {
        try
        {
            if (_socket is null)
            {
                _socket = Connect();
                foreach (var (path, token) in _watches) Ask(path, token);
            }

            talk();
        }
        catch (Exception error) when (error is SocketException or InvalidDataException)
        {
            Disconnect();
            throw new LvmException(ErrorIds.StoreFailure, $"the connection to Xenstore broke: {error.Message.TrimEnd('.')}", error);
        }
    }

    private void Disconnect()
    {
        _socket?.Dispose();
        _socket = null;
        _begin = _end = 0;
    }

    private void Ask(string path, string token)
    {
        var watch = new XenstoreBatch();
        watch.Watch(path, token);
        _socket!.Send(watch.For(transaction: 0));
        if (ReadReply(out _) is { } error) throw Refused(path, error);
    }

    private uint StartTransaction()
    {
        Send(XenstoreMessage.TransactionStart, 0, ""u8);
        if (ReadReply(out var id) is { } error) throw Refused("a transaction", error);
        return uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var transaction) && transaction != 0
            ? transaction
            : throw new InvalidDataException($"a transaction got the id '{id}'");
    }

    /// <summary>The error's name; null when it succeeded.</summary>
    private string? EndTransaction(uint transaction, bool commit)
    {
        Send(XenstoreMessage.TransactionEnd, transaction, commit ? "T"u8 : "F"u8);
        return ReadReply(out _);
    }

    private void Send(XenstoreMessage type, uint transaction, ReadOnlySpan<byte> text)
    {
        Span<byte> message = stackalloc byte[XenstoreBatch.HeaderSize + 8];
        message.Clear();
        XenstoreBatch.WriteHeader(message, type, 0, transaction, text.Length + 1);
        text.CopyTo(message[XenstoreBatch.HeaderSize..]);
        _socket!.Send(message[..(XenstoreBatch.HeaderSize + text.Length + 1)]);
    }

    /// <summary>Reads one answer: its text, or the name of the error (result), "EQUOTA".</summary>
    private string? ReadReply(out string text)
    {
        XenstoreMessage type;
        do type = ReadMessage(out text);
        while (type == XenstoreMessage.WatchEvent);
        return type == XenstoreMessage.Error ? text : null;
    }

    /// <summary>Reads one message. A watch event's path is queued; of all others the text is given.</summary>
    private XenstoreMessage ReadMessage(out string text)
    {
        var header = Receive(XenstoreBatch.HeaderSize);
        var type = (XenstoreMessage)BinaryPrimitives.ReadUInt32LittleEndian(header);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(header[12..]);
        if (length > XenstoreBatch.MaxPayload) throw new InvalidDataException($"an answer of {length} bytes");
        text = Encoding.UTF8.GetString(Receive((int)length)).TrimEnd('\0');
        if (type == XenstoreMessage.WatchEvent) _events.Enqueue(text.Split('\0')[0]); // path, NUL, token
        return type;
    }

    private string[] DrainEvents()
    {
        if (_events.Count == 0) return [];
        var events = _events.ToArray();
        _events.Clear();
        return events;
    }

    /// <summary>The next bytes of the connection; valid until the next call.</summary>
    private ReadOnlySpan<byte> Receive(int count)
    {
        while (_end - _begin < count)
        {
            if (_begin > 0)
            {
                _received.AsSpan(_begin, _end - _begin).CopyTo(_received);
                (_begin, _end) = (0, _end - _begin);
            }

            if (count > _received.Length) Array.Resize(ref _received, count);
            var read = _socket!.Receive(_received.AsSpan(_end));
            if (read == 0) throw new InvalidDataException("xenstored closed it");
            _end += read;
        }

        var result = _received.AsSpan(_begin, count);
        _begin += count;
        return result;
    }

    private static LvmException Refused(string path, string error) => new(
        error switch
        {
            "EACCES" or "EPERM" => ErrorIds.XenNotPrivileged,
            "EQUOTA" or "ENOSPC" or "E2BIG" => ErrorIds.StoreQuotaExceeded,
            _ => ErrorIds.StoreFailure,
        },
        $"Xenstore refused '{path}': {error}");
}
