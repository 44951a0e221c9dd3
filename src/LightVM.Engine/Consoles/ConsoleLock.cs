using System.Globalization;
using LightVM.Errors;

namespace LightVM.Consoles;

/// <summary>
/// Two that read the terminal of one console would each get half of what the guest writes. This is the lock that Xen's own client
/// (<c>xl console</c>) takes, so that each knows of the other.
/// </summary>
internal static class ConsoleLock
{
    public const string DefaultDirectory = "/var/lock";

    /// <summary>Holds a domain's console until the result is disposed. Errors: ConsoleUnavailable.</summary>
    public static IDisposable Take(uint domain, string directory = DefaultDirectory)
    {
        var path = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"xenconsole.{domain}"));
        while (true)
        {
            FileStream file;
            try
            {
                // FileShare.None is flock(LOCK_EX | LOCK_NB).
                file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose);
            }
            catch (IOException error)
            {
                throw new LvmException(ErrorIds.ConsoleUnavailable, $"another program, such as xl console, is attached to it and holds '{path}'", error);
            }
            catch (UnauthorizedAccessException error)
            {
                throw new LvmException(ErrorIds.ConsoleUnavailable, $"'{path}' cannot be locked: {error.Message.TrimEnd('.')}", error);
            }

            // Whoever had the lock before removes the file: a lock on a file without a name keeps nobody out.
            if (File.ResolveLinkTarget($"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}", returnFinalTarget: false)?.Name.EndsWith(" (deleted)", StringComparison.Ordinal) != true)
                return file;
            file.Dispose();
        }
    }
}
