using System.Diagnostics;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using LightVM.Errors;

namespace LightVM.Linux;

/// <summary>An interface of the control domain behind which is a guest's.</summary>
/// <param name="Name">"vif3.0".</param>
/// <param name="GuestMac">The guest's address of hardware, "00:16:3e:00:00:01".</param>
/// <param name="Hint">The address that the guest is expected to have; null for none.</param>
internal sealed record ProbedInterface(string Name, string GuestMac, IPAddress? Hint);

/// <summary>
/// Learns which IPv4 addresses guests have, from what they say themselves: a guest that comes up announces its address by ARP, or asks for
/// others by it. A guest that is expected to have a certain address is asked for it, once a second. A thread does it.
/// </summary>
internal sealed class AddressProbe : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly List<Listener> _listeners = [];
    private readonly Action<ProbedInterface, IPAddress> _found;
    private readonly WakeFile _end;
    private readonly Thread _thread;
    private volatile bool _disposed;

    /// <summary>Begins to listen. Interfaces that do not exist are left out. Errors: XenNotPrivileged, HostFileFailure.</summary>
    /// <param name="found">Called from the thread, once for each interface.</param>
    public AddressProbe(IEnumerable<ProbedInterface> interfaces, Action<ProbedInterface, IPAddress> found)
    {
        _found = found;
        try
        {
            _end = new WakeFile();
        }
        catch (IOException error)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"guests' interfaces cannot be listened to: {error.Message}", error);
        }

        try
        {
            foreach (var each in interfaces)
            {
                if (PacketSocket.Open(each.Name) is { } socket) _listeners.Add(new Listener(each, socket));
            }
        }
        catch
        {
            Close();
            throw;
        }

        _thread = new Thread(Run) { IsBackground = true, Name = "addresses of guests" };
        _thread.Start();
    }

    public void Dispose()
    {
        _disposed = true;
        _end.Wake();
        _thread.Join();
        Close();
    }

    private void Close()
    {
        foreach (var listener in _listeners) listener.Socket.Dispose();
        _end.Dispose();
    }

    private void Run()
    {
        for (var begin = Stopwatch.GetTimestamp() - Stopwatch.Frequency * (long)Interval.TotalSeconds; !_disposed && _listeners.Count > 0;)
        {
            if (Stopwatch.GetElapsedTime(begin) >= Interval)
            {
                begin = Stopwatch.GetTimestamp();
                foreach (var listener in _listeners) listener.Ask();
            }

            Await(Interval - Stopwatch.GetElapsedTime(begin));
            for (var i = _listeners.Count - 1; i >= 0 && !_disposed; i--)
            {
                if (!_listeners[i].Hear(out var address)) continue;
                if (address is not null) _found(_listeners[i].Interface, address);
                _listeners[i].Socket.Dispose();
                _listeners.RemoveAt(i);
            }
        }
    }

    /// <summary>Waits for a frame, or the end, or for a while.</summary>
    private unsafe void Await(TimeSpan time)
    {
        var files = new Libc.PollFile[_listeners.Count + 1];
        for (var i = 0; i < _listeners.Count; i++) files[i] = new Libc.PollFile { File = _listeners[i].Socket.File, Events = Libc.PollIn };
        files[^1] = new Libc.PollFile { File = _end.File, Events = Libc.PollIn };
        // Without an address to ask for there is nothing to do but listen.
        var milliseconds = _listeners.Exists(listener => listener.Asks) ? (int)Math.Max(1, Math.Ceiling(time.TotalMilliseconds)) : -1;
        fixed (Libc.PollFile* first = files) _ = Libc.Poll(first, (nuint)files.Length, milliseconds);
    }

    private sealed class Listener
    {
        private readonly byte[] _mac;
        private readonly byte[]? _question;

        public Listener(ProbedInterface probed, PacketSocket socket)
        {
            Interface = probed;
            Socket = socket;
            _mac = PhysicalAddress.TryParse(probed.GuestMac, out var mac) ? mac.GetAddressBytes() : [];
            if (probed.Hint is { AddressFamily: AddressFamily.InterNetwork } hint && OwnMac(probed.Name) is { } own) _question = ArpFrame.Probe(own, hint);
        }

        public ProbedInterface Interface { get; }

        public PacketSocket Socket { get; }

        public bool Asks => _question is not null;

        public void Ask()
        {
            if (_question is not null) Socket.Send(_question);
        }

        /// <summary>Reads what has come. True when nothing more is to be learned: the address is known, or the interface is gone (null).</summary>
        public bool Hear(out IPAddress? address)
        {
            Span<byte> frame = stackalloc byte[ArpFrame.Size];
            address = null;
            // Not without end: a guest may send faster than this reads, and others want to be heard, too.
            for (var i = 0; i < 64; i++)
            {
                var count = Socket.Receive(frame);
                if (count == 0) return false;
                if (count < 0) return true;
                address = ArpFrame.ReadSender(frame[..count], _mac);
                if (address is not null) return true;
            }

            return false;
        }

        private static byte[]? OwnMac(string name)
        {
            try
            {
                return PhysicalAddress.Parse(File.ReadAllText($"/sys/class/net/{name}/address").Trim()).GetAddressBytes();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException)
            {
                return null;
            }
        }
    }
}
