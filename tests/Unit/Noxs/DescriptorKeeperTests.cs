using System.Diagnostics;
using LightVM.Host.Noxs;
using LightVM.Linux;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>The process that has a daemon's files until the next one comes.</summary>
public sealed class DescriptorKeeperTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-keeper-");

    private string Note => Path.Combine(_folder.FullName, "keeper");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void It_is_found_with_its_files_and_ended()
    {
        var keeper = Start();
        using var process = Keeper();
        Assert.Null(DescriptorKeeper.Find(Note, _ => "/dev/zero"));
        var found = DescriptorKeeper.Find(Note, _ => "/dev/null")!;
        Assert.Equal("/dev/null", File.ResolveLinkTarget($"/proc/self/fd/{Assert.Single(found.Files)}", returnFinalTarget: false)!.FullName);

        found.End();

        Assert.True(process.WaitForEnd(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        Assert.Null(DescriptorKeeper.Find(Note, _ => "/dev/null"));
        Close(found);
        Close(keeper);
    }

    [Fact]
    public void Another_process_that_has_its_number_is_not_ended()
    {
        var keeper = Start();
        using var process = Keeper();
        using var other = Process.Start("/bin/sleep", "60");
        File.WriteAllText(Note, $"{other.Id} 3");

        keeper.End();

        Assert.True(process.WaitForEnd(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        Assert.False(other.WaitForExit(200));
        other.Kill();
        Close(keeper);
    }

    private DescriptorKeeper Start() => DescriptorKeeper.Start(Note, [Libc.Open("/dev/null", Libc.OpenReadWrite)]);

    private ProcessFile Keeper() => ProcessFile.Open(int.Parse(File.ReadAllText(Note).Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture))!;

    private static void Close(DescriptorKeeper keeper)
    {
        foreach (var file in keeper.Files) _ = Libc.Close(file);
    }
}
