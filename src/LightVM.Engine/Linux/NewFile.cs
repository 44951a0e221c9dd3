using System.Runtime.InteropServices;

namespace LightVM.Linux;

/// <summary>Giving a file its name when all of it is there.</summary>
internal static class NewFile
{
    /// <summary>Renames a file within its folder, at once for everybody who looks.</summary>
    /// <param name="overwrite">Whether a file of that name is replaced. Where not, of many who do this one succeeds, which .NET's own move leaves open.</param>
    /// <exception cref="IOException">There is a file of that name, or it cannot be.</exception>
    public static void Name(string temporary, string path, bool overwrite)
    {
        if (!overwrite)
        {
            if (Libc.Link(temporary, path) == 0)
            {
                File.Delete(temporary);
                return;
            }

            // Some file systems have no links: then there is only the other way.
            if (Marshal.GetLastPInvokeError() is Libc.EEXIST) throw new IOException($"'{path}' exists already");
        }

        File.Move(temporary, path, overwrite);
    }
}
