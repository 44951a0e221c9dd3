using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Text;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Services;

/// <summary>
/// A daemon of this toolstack, <c>lightvm NAME</c>: started by systemd where that runs and knows its unit, otherwise as a process of its own,
/// which outlives the one that started it.
/// </summary>
/// <param name="name">The daemon's command.</param>
/// <param name="description">What it does, for people.</param>
/// <param name="unit">systemd's unit of it.</param>
internal abstract class DaemonService(string name, string description, string unit) : IManagedService
{
    /// <summary>Names the program to start, where it is not to be found by itself.</summary>
    public const string ProgramVariable = "LIGHTVM_PROGRAM";

    private const string Program = "lightvm";
    private const int LogLines = 5;

    /// <summary>The file whose lock the daemon's process has for as long as it lives.</summary>
    public string PidFile { get; init; } = Path.Combine(RunFolder.Path, $"{name}.pid");

    /// <summary>Where a daemon writes that systemd did not start.</summary>
    public string LogFile { get; init; } = $"/var/log/lightvm/{name}.log";

    /// <summary>How long it may take to be ready, or to end.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    public Func<string?> FindProgram { get; init; } = FindInstalledProgram;

    public Systemd? Systemd { get; init; } = Systemd.Find();

    public string Name => name;

    public HostService Get()
    {
        var service = new HostService { Name = name, Description = description, Unit = unit, State = ServiceState.Stopped };
        if (ProcessFile.FindLockHolder(PidFile) is { } process)
        {
            service = service with { State = ServiceState.Failed, ProcessId = process }; // until it has answered
            return Ask(service) is { } answered ? answered with { State = ServiceState.Running } : service;
        }

        return Systemd?.HasFailed(unit) == true ? service with { State = ServiceState.Failed } : service;
    }

    public void Start(CancellationToken cancellation)
    {
        if (ProcessFile.FindLockHolder(PidFile) is not null) return;
        if (Systemd is { } systemd && systemd.Knows(unit)) systemd.Start(unit, Patience, cancellation);
        else StartProcess(cancellation);
    }

    public void Stop(CancellationToken cancellation)
    {
        if (ProcessFile.FindLockHolder(PidFile) is not { } process) return;
        if (Systemd is { } systemd && systemd.MainProcess(unit) == process)
        {
            systemd.Stop(unit, Patience, cancellation);
            return;
        }

        using var file = ProcessFile.Open(process);
        // The number may be another process's by now: whoever has the lock is the daemon, and is the one that was opened.
        if (file is null || ProcessFile.FindLockHolder(PidFile) != process) return;
        file.Terminate();
        if (!file.WaitForEnd(Patience, cancellation)) throw new LvmException(ErrorIds.ServiceFailure, $"process {process} has not ended within {Patience.TotalSeconds:0} s{LastLines(0)}");
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Adds what the daemon says of itself; null when it does not answer, or with something that is no answer. Errors: XenNotPrivileged.</summary>
    protected abstract HostService? Ask(HostService service);

    protected abstract void Dispose(bool disposing);

    private void StartProcess(CancellationToken cancellation)
    {
        var program = FindProgram() ?? throw new LvmException(ErrorIds.ServiceFailure, $"the program '{Program}' is neither beside the module nor on the PATH, and {ProgramVariable} names none");
        // Where a program tells systemd that it is ready, it tells this.
        var address = RunFolder.FileIn($"start-{Guid.NewGuid():n}.sock");
        using var ready = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        long logged;
        Process process;
        try
        {
            ready.Bind(new UnixDomainSocketEndPoint(address));
            Directory.CreateDirectory(Path.GetDirectoryName(LogFile)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            logged = File.Exists(LogFile) ? new FileInfo(LogFile).Length : 0;
            process = Launch(program, address);
        }
        catch (Exception error) when (error is IOException or SocketException or UnauthorizedAccessException or System.ComponentModel.Win32Exception)
        {
            File.Delete(address);
            throw new LvmException(ErrorIds.ServiceFailure, $"'{program}' cannot be started: {error.Message.TrimEnd('.')}", error);
        }

        using (process)
        {
            try
            {
                AwaitReady(ready, process, logged, cancellation);
            }
            catch
            {
                if (!process.HasExited) process.Kill(); // half a daemon is none
                throw;
            }
            finally
            {
                File.Delete(address);
            }
        }
    }

    /// <summary>Starts the program in a session of its own, so that no terminal's signals reach it, and without this process's streams, which it would keep open.</summary>
    private Process Launch(string program, string address)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = "/" };
        // What it says before it has opened its log is to be found there, too.
        foreach (var word in (string[])["-c", "exec setsid \"$@\" </dev/null >/dev/null 2>>\"$0\"", LogFile, program, name, "--log-file", LogFile]) start.ArgumentList.Add(word);
        start.Environment["NOTIFY_SOCKET"] = address;
        return Process.Start(start)!;
    }

    private void AwaitReady(Socket ready, Process process, long logged, CancellationToken cancellation)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        end.CancelAfter(Patience);
        var ended = process.WaitForExitAsync(end.Token);
        var message = new byte[4096];
        try
        {
            while (true)
            {
                var heard = ready.ReceiveAsync(message, SocketFlags.None, end.Token).AsTask();
                if (Task.WaitAny([heard, ended], CancellationToken.None) == 1 && ended.IsCompletedSuccessfully)
                    throw new LvmException(ErrorIds.ServiceFailure, $"it ended with exit code {process.ExitCode} before it was ready{LastLines(logged)}");
                if (Encoding.UTF8.GetString(message, 0, heard.GetAwaiter().GetResult()).Split('\n').Contains("READY=1")) return;
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new LvmException(ErrorIds.ServiceFailure, $"it was not ready within {Patience.TotalSeconds:0.#} s{LastLines(logged)}");
        }
    }

    /// <summary>The last lines of its log, for the end of a message.</summary>
    private string LastLines(long from)
    {
        try
        {
            using var file = new FileStream(LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            // What is too long to be shown need not be read.
            file.Position = Math.Clamp(file.Length - 16384, Math.Min(from, file.Length), file.Length);
            var lines = new StreamReader(file).ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            return lines.Length == 0 ? "" : $"; it logged: {string.Join(" | ", lines.TakeLast(LogLines))}";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>What the variable names; else this very program; else one beside the module, where a build or a package has it, or on the PATH.</summary>
    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "A single file is the program itself.")]
    private static string? FindInstalledProgram()
    {
        if (Environment.GetEnvironmentVariable(ProgramVariable) is { Length: > 0 } named) return named;
        if (Environment.ProcessPath is { } own && Path.GetFileName(own) == Program) return own;
        var module = Path.GetDirectoryName(typeof(DaemonService).Assembly.Location) is { Length: > 0 } folder ? folder : AppContext.BaseDirectory;
        var path = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        return ((string[])[module, Path.Combine(module, "../../bin"), .. path]).Select(each => Path.GetFullPath(Path.Combine(each, Program))).FirstOrDefault(File.Exists);
    }
}
