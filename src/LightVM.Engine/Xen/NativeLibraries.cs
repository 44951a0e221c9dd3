using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LightVM.Errors;

namespace LightVM.Xen;

/// <summary>A native library: the name used in this assembly, the file names it may have, and the variable that overrides them.</summary>
/// <param name="Override">Environment variable with the path of the file to load instead; a path there that cannot be loaded is an error.</param>
/// <param name="Purpose">What it is needed for, for the host's check list.</param>
public sealed record NativeLibraryDescription(string Name, string Override, IReadOnlyList<string> FileNames, string Purpose);

/// <summary>Finds the native libraries: by the override of the environment, beside this assembly, then where the system looks, several sonames each.</summary>
public static class NativeLibraries
{
    internal const string Shim = "lightvm-xen";
    internal const string Store = "xenstore";
    internal const string EventChannel = "xenevtchn";
    internal const string GrantTable = "xengnttab";
    internal const string ForeignMemory = "xenforeignmemory";
    internal const string Udev = "udev";

    /// <summary>The one table of them. The shim brings libxenctrl, libxenguest and libxentoollog along, whose ABI is not stable or needs C.</summary>
    public static IReadOnlyList<NativeLibraryDescription> All { get; } =
    [
        new(Shim, "LIGHTVM_LIBLIGHTVM_XEN", ["liblightvm-xen.so"], "libxenctrl and libxenguest"),
        new(Store, "LIGHTVM_LIBXENSTORE", ["libxenstore.so.4", "libxenstore.so.3.0", "libxenstore.so"], "Xenstore"),
        new(EventChannel, "LIGHTVM_LIBXENEVTCHN", ["libxenevtchn.so.1", "libxenevtchn.so"], "event channels"),
        new(GrantTable, "LIGHTVM_LIBXENGNTTAB", ["libxengnttab.so.1", "libxengnttab.so"], "grant tables"),
        new(ForeignMemory, "LIGHTVM_LIBXENFOREIGNMEMORY", ["libxenforeignmemory.so.1", "libxenforeignmemory.so"], "guests' memory"),
        new(Udev, "LIGHTVM_LIBUDEV", ["libudev.so.1", "libudev.so"], "the kernel's events of devices"),
    ];

    /// <summary>Loads a library. The result is the file that was loaded, or why none was.</summary>
    internal static (IntPtr Handle, string FileOrProblem) Load(NativeLibraryDescription library)
    {
        if (Environment.GetEnvironmentVariable(library.Override) is { Length: > 0 } path)
        {
            return NativeLibrary.TryLoad(path, out var overridden)
                ? (overridden, path)
                : (IntPtr.Zero, $"{library.Override} names '{path}', which cannot be loaded");
        }

        foreach (var file in library.FileNames)
        {
            var beside = Path.Combine(AppContext.BaseDirectory, file);
            foreach (var candidate in new[] { Path.Combine(AssemblyDirectory, file), beside, file })
            {
                if (NativeLibrary.TryLoad(candidate, out var handle)) return (handle, candidate);
            }
        }

        return (IntPtr.Zero, $"none of {string.Join(", ", library.FileNames)} can be loaded");
    }

    /// <summary>Runs a first call into a library and says plainly when the library is not there.</summary>
    internal static T Require<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (Exception error) when (error is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            throw new LvmException(ErrorIds.XenLibraryMissing, error.Message.ReplaceLineEndings(" ").TrimEnd('.', ' '), error);
        }
    }

    // In PowerShell the base directory is pwsh's; in a single file (NativeAOT) the assembly has no place of its own.
    internal static string AssemblyDirectory { get; } = FindAssemblyDirectory();

    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "An empty location in a single file is what is wanted here.")]
    private static string FindAssemblyDirectory() =>
        Path.GetDirectoryName(typeof(NativeLibraries).Assembly.Location) is { Length: > 0 } directory ? directory : AppContext.BaseDirectory;

#pragma warning disable CA2255 // the resolver has to be there before the first native call, whichever that is
    [ModuleInitializer]
    internal static void Register() => NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
#pragma warning restore CA2255

    private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (All.FirstOrDefault(library => library.Name == name) is not { } library) return IntPtr.Zero;
        var (handle, problem) = Load(library);
        return handle != IntPtr.Zero ? handle : throw new DllNotFoundException(problem);
    }
}
