using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace LightVM.Xen;

/// <summary>Requests to the store that are sent together, as messages of Xenstore's wire protocol (xen/include/public/io/xs_wire.h).</summary>
internal sealed class XenstoreBatch
{
    /// <summary>Bytes that may be sent before answers are read: what both ends of a socket hold for sure, so that neither waits for the other.</summary>
    public const int Capacity = 64 * 1024;

    public const int HeaderSize = 16;

    /// <summary>Bytes of a message behind its header (XENSTORE_PAYLOAD_MAX).</summary>
    public const int MaxPayload = 4096;

    private readonly List<int> _starts = [];
    private readonly List<string> _paths = [];
    private byte[] _bytes = new byte[2048];
    private int _length;

    /// <summary>Whether there is room for one more request of any size.</summary>
    public bool HasRoom => _length + HeaderSize + MaxPayload <= Capacity;

    /// <summary>How many requests it has.</summary>
    public int Count => _starts.Count;

    /// <summary>Whether a guest is introduced: others begin to work then, xenconsoled first, and its answer is not worth waiting until they have done.</summary>
    public bool HasIntroduction { get; private set; }

    /// <summary>The path of a request, for messages.</summary>
    public string PathOf(int index) => _paths[index];

    /// <summary>Gives xenstored itself a command of xenstore-control(1).</summary>
    public void Control(string command)
    {
        Begin(XenstoreMessage.Control, command);
        End();
    }

    /// <summary>Reads a node.</summary>
    public void Read(string path)
    {
        Begin(XenstoreMessage.Read, path);
        End();
    }

    /// <summary>Asks for the names of a node's children: they come back with a NUL behind each.</summary>
    public void List(string path)
    {
        Begin(XenstoreMessage.List, path);
        End();
    }

    /// <summary>Writes a node, and the nodes above it that do not exist yet, which get the permissions of the one above them.</summary>
    public void Write(string path, string value)
    {
        Begin(XenstoreMessage.Write, path);
        Append(value);
        End();
    }

    public void SetPermissions(string path, params ReadOnlySpan<XenstorePermission> permissions)
    {
        Begin(XenstoreMessage.SetPermissions, path);
        foreach (var permission in permissions)
        {
            Append(permission.ToString());
            AppendNul();
        }

        End();
    }

    /// <summary>Removes a node and all below it.</summary>
    public void Remove(string path)
    {
        Begin(XenstoreMessage.Remove, path);
        End();
    }

    /// <summary>Tells the store of a guest's ring. It belongs to no transaction.</summary>
    public void Introduce(uint domain, ulong ringFrame, uint port)
    {
        HasIntroduction = true;
        Begin(XenstoreMessage.Introduce, domain.ToString(CultureInfo.InvariantCulture));
        Append(ringFrame.ToString(CultureInfo.InvariantCulture));
        AppendNul();
        Append(port.ToString(CultureInfo.InvariantCulture));
        AppendNul();
        End();
    }

    /// <summary>Asks to be told of changes below a path.</summary>
    public void Watch(string path, string token) => Add(XenstoreMessage.Watch, path, token);

    /// <summary>Asks to be told no more.</summary>
    public void Unwatch(string path, string token) => Add(XenstoreMessage.Unwatch, path, token);

    /// <summary>All messages, for a transaction.</summary>
    public ReadOnlySpan<byte> For(uint transaction)
    {
        foreach (var start in _starts) BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(start + 8), transaction);
        return _bytes.AsSpan(0, _length);
    }

    /// <summary>Writes a message's header: u32 type, request id, transaction id, length of the payload, in the machine's order.</summary>
    public static void WriteHeader(Span<byte> header, XenstoreMessage type, uint request, uint transaction, int length)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)type);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], request);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], transaction);
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)length);
    }

    private void Add(XenstoreMessage type, string path, string token)
    {
        Begin(type, path);
        Append(token);
        AppendNul();
        End();
    }

    private void Begin(XenstoreMessage type, string path)
    {
        _starts.Add(_length);
        _paths.Add(path);
        Reserve(HeaderSize);
        WriteHeader(_bytes.AsSpan(_length), type, (uint)_starts.Count, 0, 0);
        _length += HeaderSize;
        Append(path);
        AppendNul();
    }

    private void End()
    {
        var start = _starts[^1];
        var length = _length - start - HeaderSize;
        if (length > MaxPayload) throw new ArgumentException($"the message for '{_paths[^1]}' has {length} bytes, more than {MaxPayload}");
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(start + 12), (uint)length);
    }

    private void Append(string text)
    {
        Reserve(Encoding.UTF8.GetMaxByteCount(text.Length));
        _length += Encoding.UTF8.GetBytes(text, _bytes.AsSpan(_length));
    }

    private void AppendNul()
    {
        Reserve(1);
        _bytes[_length++] = 0;
    }

    private void Reserve(int size)
    {
        if (_length + size > _bytes.Length) Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + size));
    }
}

/// <summary>Types of messages (enum xsd_sockmsg_type): those that are used here.</summary>
internal enum XenstoreMessage : uint
{
    Control = 0,
    List = 1,
    Read = 2,
    Watch = 4,
    Unwatch = 5,
    TransactionStart = 6,
    TransactionEnd = 7,
    Introduce = 8,
    GetDomainPath = 10,
    Write = 11,
    Remove = 13,
    SetPermissions = 14,
    WatchEvent = 15,
    Error = 16,
}

/// <summary>Who may do what with a node: of a node's list, the first entry is the owner and everybody else's rights.</summary>
internal readonly record struct XenstorePermission(uint Domain, XenstoreRights Rights)
{
    /// <summary>As the wire has it: "n0", "r7".</summary>
    public override string ToString() => $"{Rights switch { XenstoreRights.Read => 'r', XenstoreRights.Write => 'w', _ => 'n' }}{Domain}";
}

internal enum XenstoreRights
{
    None,
    Read,
    Write,
}
