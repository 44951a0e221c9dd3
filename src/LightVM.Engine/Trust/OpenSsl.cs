using System.Runtime.InteropServices;
using LightVM.Errors;

namespace LightVM.Trust;

/// <summary>The library behind .NET's cryptography, which ends the process where it does not find it.</summary>
internal static class OpenSsl
{
    /// <summary>As .NET looks for it, newest first.</summary>
    private static readonly string[] Names = ["libssl.so.3", "libssl.so.1.1"];

    private static readonly Lazy<string?> Found = new(() => Array.Find(Names, name => NativeLibrary.TryLoad(name, out _)));

    /// <summary>The library's name. Errors: TlsUnavailable.</summary>
    public static string Name() => Found.Value ?? throw new LvmException(ErrorIds.TlsUnavailable, $"OpenSSL is not installed: there is no {Names[0]}");

    /// <summary>To be called before anything of .NET's cryptography. Errors: TlsUnavailable.</summary>
    public static void Require() => Name();
}
