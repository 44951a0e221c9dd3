using System.Diagnostics;
using System.Globalization;
using System.Text;
using LightVM.Host.Devices;
using LightVM.Linux;

namespace LightVM.Host.Noxs;

/// <summary>
/// Keeps files open while no daemon runs. What a driver of Xen gives to a process (granted pages, event channels) goes with the last
/// descriptor of the file it was got through, and guests would lose their devices with the daemon. So a process that does nothing has these files, too:
/// it inherited them from the first daemon, and the next takes them out of it (pidfd_getfd(2)).
/// </summary>
internal sealed class DescriptorKeeper
{
    private readonly string _note;
    private readonly int _process; // a file of it (pidfd_open(2)): its number is another's when it has ended

    private DescriptorKeeper(string note, int process, IReadOnlyList<int> files)
    {
        _note = note;
        _process = process;
        Files = files;
    }

    /// <summary>The files, in the order in which they were given.</summary>
    public IReadOnlyList<int> Files { get; }

    /// <summary>Takes the files out of the keeper that an earlier daemon started; null where there is none any more.</summary>
    /// <param name="paths">Which device each file has to be.</param>
    public static DescriptorKeeper? Find(string note, Func<int, string> paths)
    {
        if (RunFile.Read(note) is not { } bytes) return null;
        var numbers = new List<int>();
        foreach (var word in Encoding.ASCII.GetString(bytes).Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return null;
            numbers.Add(number);
        }

        if (numbers.Count < 2) return null;
        var process = Libc.PidFile(numbers[0]);
        if (process < 0) return null;
        // The number may be another process's by now: what its files are tells.
        if (numbers.Skip(1).Where((number, i) => Target(numbers[0], number) != paths(i)).Any())
        {
            _ = Libc.Close(process);
            return null;
        }

        var files = numbers.Skip(1).Select(number => SystemCalls.TakeFile(process, number)).ToList();
        if (files.All(file => file >= 0)) return new DescriptorKeeper(note, process, files);
        foreach (var file in files.Where(file => file >= 0).Append(process)) _ = Libc.Close(file);
        return null;
    }

    /// <summary>Starts a keeper.</summary>
    /// <param name="note">Where the next daemon finds it.</param>
    /// <param name="files">Descriptors that processes inherit.</param>
    /// <exception cref="IOException">It cannot be.</exception>
    public static DescriptorKeeper Start(string note, IReadOnlyList<int> files)
    {
        var start = new ProcessStartInfo("/bin/sh") { WorkingDirectory = "/" };
        // A session of its own: what ends the daemon does not end it. Its number stays the same.
        foreach (var word in (string[])["-c", "exec setsid sleep infinity </dev/null >/dev/null 2>&1"]) start.ArgumentList.Add(word);
        try
        {
            using var process = Process.Start(start)!;
            var words = string.Join(' ', files.Prepend(process.Id).Select(number => number.ToString(CultureInfo.InvariantCulture)));
            if (RunFile.Write(note, Encoding.ASCII.GetBytes(words)) is not 0 and var errno)
            {
                process.Kill();
                throw new IOException($"'{note}' cannot be written (errno {errno})");
            }

            return new DescriptorKeeper(note, Libc.PidFile(process.Id), files);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new IOException($"/bin/sh cannot be started: {error.Message}", error);
        }
    }

    /// <summary>Ends the keeper: there is nothing to be kept.</summary>
    public void End()
    {
        const int SIGKILL = 9;
        _ = SystemCalls.SendSignal(_process, SIGKILL);
        _ = Libc.Close(_process);
        _ = Libc.Unlink(_note);
    }

    private static string? Target(int process, int file)
    {
        try
        {
            return File.ResolveLinkTarget($"/proc/{process}/fd/{file}", returnFinalTarget: false)?.FullName;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
