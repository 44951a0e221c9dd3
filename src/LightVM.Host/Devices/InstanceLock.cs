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

    /// <summary>Errors: ServiceFailure where another one runs, HostFileFailure.</summary>
    public static InstanceLock Take(string path)
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
                throw new LvmException(ErrorIds.ServiceFailure, $"a device daemon runs already (process {reader.ReadToEnd().Trim()}, '{path}')", error);
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
