using System.Runtime.InteropServices;
using LightVM.Errors;

namespace LightVM.Linux;

/// <summary>
/// Small files in /run, which is memory: the bare calls, for guests wait for some of these, and what a stream does besides takes several
/// times as long.
/// </summary>
internal static unsafe class RunFile
{
    private const uint ReadableByOwner = 0x180; // 0600

    /// <summary>All of a file; null where it cannot be read.</summary>
    public static byte[]? Read(string path)
    {
        var file = Libc.Open(path, Libc.OpenReadOnly | Libc.OpenCloseOnExec);
        if (file < 0) return null;
        try
        {
            var bytes = new byte[4096];
            for (var length = 0; ;)
            {
                if (length == bytes.Length) Array.Resize(ref bytes, length * 2);
                nint count;
                fixed (byte* data = bytes) count = Libc.Read(file, data + length, (nuint)(bytes.Length - length));
                if (count > 0) length += (int)count;
                else if (count == 0) return bytes.AsSpan(0, length).ToArray();
                else if (Marshal.GetLastPInvokeError() != Libc.EINTR) return null;
            }
        }
        finally
        {
            _ = Libc.Close(file);
        }
    }

    /// <summary>Writes a file that was there or not, whole or not at all to those who read it: under another name first. Gives 0, or an errno.</summary>
    public static int Write(string path, ReadOnlySpan<byte> bytes)
    {
        var temporary = $"{path}.new";
        var file = Libc.Open(temporary, Libc.OpenWriteOnly | Libc.OpenCreate | Libc.OpenTruncate | Libc.OpenCloseOnExec, ReadableByOwner);
        if (file < 0) return Marshal.GetLastPInvokeError();
        var errno = 0;
        while (bytes.Length > 0 && errno is 0 or Libc.EINTR)
        {
            nint count;
            fixed (byte* data = bytes) count = Libc.Write(file, data, (nuint)bytes.Length);
            errno = count > 0 ? 0 : Marshal.GetLastPInvokeError();
            if (count > 0) bytes = bytes[(int)count..];
        }

        _ = Libc.Close(file);
        if (errno == 0 && Libc.Rename(temporary, path) != 0) errno = Marshal.GetLastPInvokeError();
        if (errno != 0) _ = Libc.Unlink(temporary);
        return errno;
    }
}
