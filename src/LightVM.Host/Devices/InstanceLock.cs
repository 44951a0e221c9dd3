using System.Globalization;
using System.Text;
using LightVM.Errors;

namespace LightVM.Host.Devices;

/// <summary>The file with the daemon's process id, whose lock says that the process lives: the kernel drops it however that ends.</summary>
internal sealed class InstanceLock : IDisposable
{
    private readonly FileStream _file;

    private InstanceLock(FileStream file)
    {
        _file = file;
    }

    /// <summary>Makes sure of a daemon's folder, which its group may look into, and that it is the only one there. Errors: ServiceFailure where another one runs, HostFileFailure.</summary>
    /// <param name="who">"a device daemon", for the message.</param>
    public static InstanceLock Take(string folder, string name, string who, uint? group)
    {
        try
        {
            const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            Directory.CreateDirectory(folder, Owner);
            if (group is { } members)
            {
                if (SystemCalls.ChangeOwner(folder, -1, members) != 0) throw new IOException($"'{folder}' cannot be given to group {members}");
                File.SetUnixFileMode(folder, Owner | UnixFileMode.GroupRead | UnixFileMode.GroupExecute);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"'{folder}' cannot be used: {error.Message.TrimEnd('.')}", error);
        }

        return Take(Path.Combine(folder, name), who);
    }

    /// <summary>Errors: ServiceFailure where another one runs, HostFileFailure.</summary>
    public static InstanceLock Take(string path, string who)
    {
        FileStream? file = null;
        try
        {
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            try
            {
                file.Lock(0, 1); // a record lock: reading the file stays possible
            }
            catch (IOException error)
            {
                using var reader = new StreamReader(file);
                throw new LvmException(ErrorIds.ServiceFailure, $"{who} runs already (process {reader.ReadToEnd().Trim()}, '{path}')", error);
            }

            file.SetLength(0);
            file.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId}\n")));
            return new InstanceLock(file);
        }
        catch (Exception error)
        {
            file?.Dispose();
            if (error is IOException or UnauthorizedAccessException) throw new LvmException(ErrorIds.HostFileFailure, $"'{path}' cannot be used: {error.Message.TrimEnd('.')}", error);
            throw;
        }
    }

    public void Dispose()
    {
        // Emptied, not removed: somebody may hold the same file open in hope of the lock.
        _file.SetLength(0);
        _file.Dispose();
    }
}
