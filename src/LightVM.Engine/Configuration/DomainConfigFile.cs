using LightVM.Errors;

namespace LightVM.Configuration;

/// <summary>Configuration files on disk, with an error for each way in which a disk disappoints.</summary>
internal static class DomainConfigFile
{
    /// <summary>The whole file.</summary>
    internal static byte[] Read(string path)
    {
        try
        {
            // Sharing everything keeps .NET from locking the file, which others may be reading.
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);

            // The length that a file claims means nothing for a pipe or a device, so it is the reading that ends it.
            var buffer = new byte[16 << 10];
            var length = 0;
            for (int count; (count = file.Read(buffer, length, buffer.Length - length)) > 0;)
            {
                length += count;
                if (length > DomainConfigJson.MaxFileSize) throw TooLarge(path);
                if (length == buffer.Length) Array.Resize(ref buffer, Math.Min(2 * length, DomainConfigJson.MaxFileSize + 1));
            }

            return buffer[..length];
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException || IsNoPath(exception))
        {
            throw Error(ErrorIds.ConfigNotFound, path, "there is no such file");
        }
        catch (UnauthorizedAccessException)
        {
            throw Error(ErrorIds.ConfigUnreadable, path, Directory.Exists(path) ? "is a directory" : "may not be read by this user");
        }
        catch (Exception exception) when (exception is IOException or NotSupportedException)
        {
            throw Error(ErrorIds.ConfigUnreadable, path, Sentence(exception));
        }
    }

    /// <summary>Puts a file in its place, all of it or nothing.</summary>
    internal static void Write(byte[] content, string path, bool overwrite)
    {
        string? temporary = null;
        try
        {
            var target = Target(path, overwrite);
            // Beside the target, for only within a file system is a rename atomic; short, for the target's name may be as long as names can be.
            temporary = Path.Combine(Path.GetDirectoryName(target)!, $".lightvm-{Path.GetRandomFileName()}");
            using (var file = Create(temporary, target))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, target, overwrite);
            temporary = null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException || IsNoPath(exception))
        {
            throw Error(ErrorIds.ConfigNotWritable, path, !overwrite && File.Exists(path) ? "exists already" : Sentence(exception));
        }
        finally
        {
            if (temporary is not null) Remove(temporary);
        }
    }

    internal static InvalidConfigException TooLarge(string source) =>
        Error(ErrorIds.ConfigTooLarge, source, $"has more than {DomainConfigJson.MaxFileSize} bytes");

    /// <summary>The file to replace, which is not the symbolic link that leads to it.</summary>
    private static string Target(string path, bool overwrite)
    {
        var target = Path.GetFullPath(path);
        if (overwrite && new FileInfo(target).LinkTarget is not null && File.ResolveLinkTarget(target, returnFinalTarget: true) is { } link) target = link.FullName;
        if (Directory.Exists(target)) throw new IOException("it is a directory");
        // A rename would put a file in the place of /dev/null.
        if (target.StartsWith("/dev/", StringComparison.Ordinal) || target.StartsWith("/proc/", StringComparison.Ordinal)) throw new IOException("it is not a regular file");
        return target;
    }

    /// <summary>A new file with the permissions of the one that it is to replace, from its first moment.</summary>
    private static FileStream Create(string temporary, string target)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (OperatingSystem.IsWindows() || !File.Exists(target)) return new FileStream(temporary, options);

        var mode = File.GetUnixFileMode(target);
        options.UnixCreateMode = mode;
        var file = new FileStream(temporary, options);
        // Once more, without the umask.
        File.SetUnixFileMode(file.SafeFileHandle, mode);
        return file;
    }

    private static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The error that led here is the one to report.
        }
    }

    /// <summary>An empty path, or one with a NUL.</summary>
    private static bool IsNoPath(Exception exception) => exception is ArgumentException;

    private static string Sentence(Exception exception) => exception.Message.TrimEnd('.');

    private static InvalidConfigException Error(string id, string path, string message) => new(id, path, [new ConfigError("$", message)]);
}
