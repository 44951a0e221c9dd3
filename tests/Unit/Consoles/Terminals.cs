using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Text;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Unit.Consoles;

/// <summary>A pseudo-terminal, as xenconsoled has one for each domain: this is the side of the guest.</summary>
internal sealed class PseudoTerminal : IDisposable
{
    private readonly FileStream _master;
    private readonly int _keptOpen;

    /// <param name="raw">As xenconsoled makes it; otherwise as a user's terminal is.</param>
    public PseudoTerminal(bool raw = true)
    {
        var master = posix_openpt(Libc.OpenReadWrite | Libc.OpenNoControllingTerminal | Libc.OpenCloseOnExec);
        if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) throw new Win32Exception();
        var name = new byte[128];
        if (ptsname_r(master, name, (nuint)name.Length) != 0) throw new Win32Exception();
        Path = Encoding.ASCII.GetString(name.AsSpan(0, Array.IndexOf(name, (byte)0)));
        _master = new FileStream(new SafeFileHandle(master, ownsHandle: true), FileAccess.ReadWrite, bufferSize: 0);

        _keptOpen = OpenSlave(); // as xenconsoled does
        if (!raw) return;
        var settings = default(Libc.TerminalSettings);
        if (Libc.GetTerminal(_keptOpen, ref settings) != 0) throw new Win32Exception();
        Libc.MakeRaw(ref settings);
        if (Libc.SetTerminal(_keptOpen, Libc.SetWhenDrained, ref settings) != 0) throw new Win32Exception();
    }

    public string Path { get; }

    public int OpenSlave() => Libc.Open(Path, Libc.OpenReadWrite | Libc.OpenNoControllingTerminal | Libc.OpenNonBlocking | Libc.OpenCloseOnExec);

    public void Write(string text) => _master.Write(Encoding.UTF8.GetBytes(text));

    public string Read(int count)
    {
        var buffer = new byte[count];
        _master.ReadExactly(buffer);
        return Encoding.UTF8.GetString(buffer);
    }

    /// <summary>The domain ends.</summary>
    public void Hangup()
    {
        if (_master.SafeFileHandle.IsClosed) return;
        _ = Libc.Close(_keptOpen);
        _master.Dispose();
    }

    public void Dispose() => Hangup();

#pragma warning disable SYSLIB1054, CA5392 // for a few calls in a test
    [DllImport("libc", SetLastError = true)]
    private static extern int posix_openpt(int flags);

    [DllImport("libc", SetLastError = true)]
    private static extern int grantpt(int file);

    [DllImport("libc", SetLastError = true)]
    private static extern int unlockpt(int file);

    [DllImport("libc", SetLastError = true)]
    private static extern int ptsname_r(int file, byte[] name, nuint size);
#pragma warning restore SYSLIB1054, CA5392
}

/// <summary>A pipe whose ends are closed one by one.</summary>
internal sealed class Pipe : IDisposable
{
    private readonly FileStream _reader;
    private readonly FileStream _writer;

    public Pipe()
    {
        var ends = new int[2];
        if (pipe2(ends, Libc.OpenCloseOnExec) != 0) throw new Win32Exception();
        _reader = new FileStream(new SafeFileHandle(ends[0], ownsHandle: true), FileAccess.Read, bufferSize: 0);
        _writer = new FileStream(new SafeFileHandle(ends[1], ownsHandle: true), FileAccess.Write, bufferSize: 0);
    }

    public int Reader => (int)_reader.SafeFileHandle.DangerousGetHandle();

    public int Writer => (int)_writer.SafeFileHandle.DangerousGetHandle();

    public void Write(ReadOnlySpan<byte> bytes) => _writer.Write(bytes);

    public string Read(int count)
    {
        var buffer = new byte[count];
        _reader.ReadExactly(buffer);
        return Encoding.UTF8.GetString(buffer);
    }

    public void CloseReader() => _reader.Dispose();

    public void CloseWriter() => _writer.Dispose();

    public void Dispose()
    {
        _reader.Dispose();
        _writer.Dispose();
    }

#pragma warning disable SYSLIB1054, CA5392
    [DllImport("libc", SetLastError = true)]
    private static extern int pipe2(int[] ends, int flags);
#pragma warning restore SYSLIB1054, CA5392
}
