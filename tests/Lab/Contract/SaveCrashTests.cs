using System.Diagnostics;
using LightVM.Hypervisor;
using LightVM.Images;

namespace LightVM.Lab;

/// <summary>Whoever saves a domain dies in the middle of it: the guest goes on, or all of it is in the image.</summary>
public sealed class SaveCrashTests(XenContractHost contract, RunningDeviceDaemon daemon) : DeviceTests(contract, daemon), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    [Theory]
    [InlineData("save-noted")]
    [InlineData("save-asked")]
    [InlineData("save-suspended")]
    [InlineData("save-written")]
    [InlineData("save-complete")]
    [InlineData("save-saved")]
    [InlineData("save-destroyed")]
    public void A_guest_whose_saver_is_killed_goes_on_or_is_in_the_image(string point)
    {
        var domain = CreateTiny("saved", _ => { });
        var folder = Directory.CreateTempSubdirectory("lightvm-save-");
        AtEnd(() => folder.Delete(recursive: true));
        var image = Path.Combine(folder.FullName, "saved.lightvm");
        var start = new ProcessStartInfo(Dom0.Lightvm, ["save", domain.Name, image]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["LIGHTVM_CRASH_AT"] = point;
        using (var saver = Process.Start(start)!)
        {
            saver.WaitForExit();
            Assert.Equal(128 + 9, saver.ExitCode);
        }

        if (File.Exists(image)) Assert.Equal(ImageState.Whole, ImageReader.Describe(image, Cancellation).State); // with its name, it is
        if (point is "save-saved" or "save-destroyed")
        {
            GuestTests.AssertEventually(() => Contract.Directory.Suspensions().Count == 0, () => $"what is left of it is still there:\n{DaemonLog}");
            Assert.DoesNotContain(Host.ListDomains(), left => left.Uuid == domain.Uuid && left.State != DomainState.Dying);
            Host.DestroyDomain(Host.Images.Restore(image, cancellation: Cancellation).Key);
            return;
        }

        GuestTests.AssertEventually(
            () => Host.GetDomain(domain.Key).State is DomainState.Blocked or DomainState.Running or DomainState.Runnable,
            () => $"it is {Host.GetDomain(domain.Key).State}:\n{DaemonLog}");
        Host.Images.Save(domain.Key, Path.Combine(folder.FullName, "again.lightvm"), cancellation: Cancellation); // and it listens
        Host.DestroyDomain(Host.Images.Restore(Path.Combine(folder.FullName, "again.lightvm"), cancellation: Cancellation).Key);
        Assert.Empty(Contract.Directory.Suspensions());
    }
}
