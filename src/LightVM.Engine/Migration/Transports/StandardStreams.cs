using LightVM.Errors;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Migration;

/// <summary>The far end of <see cref="SshTransport"/>: the standard streams of this process, which ssh's server has started.</summary>
internal static class StandardStreams
{
    private const int Input = 0;
    private const int Output = 1;
    private const int Error = 2;

    /// <summary>
    /// Takes standard input and output for a link. What is written to file 1 from now on, by libxc or a child, goes to standard error, which ssh
    /// shows at the other end, and not into the stream; standard input is at its end. A console stream of .NET that was opened before is a copy
    /// of the file, and still leads into the link: whoever takes it must leave that alone. Errors: ConnectionFailed.
    /// </summary>
    public static MigrationLink Take()
    {
        SafeFileHandle? input = null, output = null;
        try
        {
            input = Duplicate(Input);
            output = Duplicate(Output);
            using (var nothing = File.OpenHandle("/dev/null")) Put((int)nothing.DangerousGetHandle(), Input);
            Put(Error, Output);
            var peer = Client() ?? "the process that started this one";
            return new MigrationLink(new PipeLinkStream(input, output, peer), peer, SshTransport.Name);
        }
        catch (IOException error)
        {
            input?.Dispose();
            output?.Dispose();
            throw new LvmException(ErrorIds.ConnectionFailed, $"the standard streams cannot be used: {error.Message}", error);
        }
    }

    /// <summary>The address from which ssh's client came (SSH_CONNECTION of sshd); null where it was none.</summary>
    private static string? Client() =>
        Environment.GetEnvironmentVariable("SSH_CONNECTION")?.Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();

    private static SafeFileHandle Duplicate(int file)
    {
        var copy = Libc.Control(file, Libc.DuplicateCloseOnExec, Error + 1);
        return copy >= 0 ? new SafeFileHandle(copy, ownsHandle: true) : throw Libc.Failure("fcntl");
    }

    private static void Put(int file, int over)
    {
        if (Libc.DuplicateTo(file, over, 0) < 0) throw Libc.Failure("dup3");
    }
}
