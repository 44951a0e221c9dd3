using System.Diagnostics;
using System.Globalization;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// The user's own ssh, which knows the hosts and the keys: it starts <c>lightvm receive --stdio</c> at the other end, and its standard streams
/// are the connection. It asks nothing (BatchMode): keys and known hosts have to be in order beforehand.
/// </summary>
internal static class SshTransport
{
    public const string Name = "ssh";

    /// <summary>What is started there.</summary>
    public const string RemoteCommand = "lightvm receive --stdio";

    /// <summary>
    /// Starts ssh. Whether it gets anywhere is heard with the first read or write: ConnectionFailed, with ssh's own words. Errors here:
    /// HostNameInvalid, TransportUnavailable.
    /// </summary>
    /// <param name="host">As ssh has it: a name, an address or an alias of its configuration, with USER@ before it or not.</param>
    /// <param name="port">Null: as ssh's configuration says.</param>
    /// <param name="timeout">How long ssh may take to reach the host.</param>
    /// <param name="program">ssh, where it is not the one on the PATH.</param>
    public static MigrationLink Connect(string host, int? port, TimeSpan timeout, string program = "ssh")
    {
        RefuseOptions(host);
        // A session of its own: Ctrl+C is for us, who have something to tell the other side before the connection goes.
        var start = new ProcessStartInfo("setsid") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        string[] words =
        [
            Find(program), "-T", "-x", "-a",
            "-o", "BatchMode=yes",
            "-o", "ClearAllForwardings=yes",
            "-o", string.Create(CultureInfo.InvariantCulture, $"ConnectTimeout={Math.Max(1, (int)timeout.TotalSeconds)}"),
            "-o", "ServerAliveInterval=10",
            "-o", "ServerAliveCountMax=3",
            .. port is { } number ? (string[])["-p", number.ToString(CultureInfo.InvariantCulture)] : [],
            "--", host, RemoteCommand,
        ];
        foreach (var word in words) start.ArgumentList.Add(word);
        try
        {
            var process = Process.Start(start)!;
            return new MigrationLink(new SshLinkStream(process, host), host, Name);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new LvmException(ErrorIds.TransportUnavailable, $"ssh cannot be started: {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>ssh has no shell between it and us, but its configuration may put a host's name into a command line (ProxyCommand, Match exec).</summary>
    private static void RefuseOptions(string host)
    {
        var name = host[(host.LastIndexOf('@') + 1)..];
        if (host.StartsWith('-') || name is "" or ['-', ..] || !host.All(letter => char.IsAsciiLetterOrDigit(letter) || "._:%@[]-".Contains(letter)))
            throw new LvmException(ErrorIds.HostNameInvalid, $"{Configuration.Quoted.Text(host)} is not the name of a host");
    }

    private static string Find(string program)
    {
        if (program.Contains('/')) return program;
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return path.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists)
            ?? throw new LvmException(ErrorIds.TransportUnavailable, $"there is no '{program}' on the PATH");
    }
}
