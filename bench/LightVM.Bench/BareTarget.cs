using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Hypervisor;
using LightVM.Xen;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Bench;

/// <summary>
/// The other end of a <see cref="Contenders.BareMove"/>. One connection brings one guest: its type and MiB of memory (4 bytes each, little-endian), answered by one byte when there
/// is a domain for it; libxc's stream; and back, how long it has run (8 bytes: ticks of 100 ns). It is destroyed when the connection ends.
/// </summary>
internal static class BareTarget
{
    public const int Port = 9100;

    /// <summary>Takes one guest after the other, until it is killed.</summary>
    public static void Run()
    {
        var hypervisor = XenHypervisor.Open();
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Any, Port));
        listener.Listen();
        while (true)
        {
            using var socket = listener.Accept();
            socket.NoDelay = true;
            Take(hypervisor, socket);
        }
    }

    /// <summary>Tells of a guest, and waits until there is a domain for it.</summary>
    public static void Announce(Socket socket, DomainConfig config)
    {
        var words = new byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(words, (int)config.Type);
        BinaryPrimitives.WriteInt32LittleEndian(words.AsSpan(4), config.MemoryMiB);
        socket.Send(words);
        Receive(socket, 1);
    }

    /// <summary>Waits until the guest runs there.</summary>
    /// <returns>For how long it has.</returns>
    public static TimeSpan AwaitRunning(Socket socket) => new(BinaryPrimitives.ReadInt64LittleEndian(Receive(socket, 8)));

    /// <summary>The connection as a file: libxc reads and writes it itself.</summary>
    public static SafeFileHandle StreamOf(Socket socket) => new(socket.Handle, ownsHandle: false);

    private static void Take(XenHypervisor hypervisor, Socket socket)
    {
        var words = Receive(socket, 8);
        var type = (GuestType)BinaryPrimitives.ReadInt32LittleEndian(words);
        var memoryKiB = BinaryPrimitives.ReadInt32LittleEndian(words.AsSpan(4)) * 1024L;
        var shape = new DomainShape(Guid.NewGuid(), type, AddressSize: 64, MaxVcpus: 1);
        var id = hypervisor.CreateDomain(shape);
        try
        {
            hypervisor.SetLimits(id, shape, memoryKiB + 1024);
            var ports = new GuestPorts(hypervisor.AllocateEventChannel(id, 0), hypervisor.AllocateEventChannel(id, 0));
            socket.Send([1]);
            hypervisor.RestoreDomain(id, shape, StreamOf(socket), ports, CancellationToken.None);
            var begin = Stopwatch.GetTimestamp();
            hypervisor.Unpause(id);
            BinaryPrimitives.WriteInt64LittleEndian(words, Stopwatch.GetElapsedTime(begin).Ticks);
            socket.Send(words);
            socket.Receive(words); // until it has been heard
        }
        finally
        {
            hypervisor.Destroy(id);
        }
    }

    private static byte[] Receive(Socket socket, int count)
    {
        var bytes = new byte[count];
        for (var got = 0; got < count;)
        {
            var read = socket.Receive(bytes, got, count - got, SocketFlags.None);
            if (read == 0) throw new EndOfStreamException("the other end is gone");
            got += read;
        }

        return bytes;
    }
}
