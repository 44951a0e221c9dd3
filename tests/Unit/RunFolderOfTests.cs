using System.Runtime.CompilerServices;

namespace LightVM.Unit;

/// <summary>What the code under test keeps in /run goes into a folder of these tests' own: those who run them may have domains.</summary>
internal static class RunFolderOfTests
{
    [ModuleInitializer]
    internal static void Use()
    {
        var folder = Directory.CreateTempSubdirectory("lightvm-unit-run-");
        Environment.SetEnvironmentVariable("LIGHTVM_RUN", folder.FullName);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Delete(recursive: true);
    }
}
