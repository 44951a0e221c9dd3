using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Images;
using Xunit;

namespace LightVM.Contract;

/// <summary>Saving, restoring and copying domains on every host: nothing is lost, and what fails leaves the guest where it was.</summary>
public abstract class SaveContract : ContractTests
{
    /// <summary>How long to wait for a guest that does not listen.</summary>
    private static readonly TimeSpan Briefly = TimeSpan.FromMilliseconds(300);

    private static readonly TimeSpan Patiently = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-save-").FullName;

    protected SaveContract(ContractHost contract)
        : base(contract)
    {
    }

    private string ImagePath => Path.Combine(_folder, "guest.lightvm");

    private DomainImages Images => Host.Images;

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        Assert.DoesNotContain(Directory.GetFiles(_folder), file => Path.GetFileName(file).StartsWith('.')); // no half of an image
        Directory.Delete(_folder, recursive: true);
        Assert.Empty(Contract.Directory.Suspensions());
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_saved_domain_is_gone_and_comes_back_as_it_was(GuestType type)
    {
        var domain = Create(draft => (draft.Type, draft.CommandLine, draft.OnReboot) = (type, "as it was", LifecycleAction.Restart));
        var config = Contract.Directory.FindConfig(domain.Key)!;
        AssertListens(domain);
        domain = Host.GetDomain(domain.Key); // a PVH guest that begins to run has a page less: where it maps what it shares with Xen

        var image = Images.Save(domain.Key, ImagePath, cancellation: Cancellation);
        AssertFails(ErrorIds.DomainGone, () => Host.GetDomain(domain.Key));
        Assert.Equal((ImageState.Whole, domain.Name, domain.Uuid, type), (image.State, image.Name, image.Uuid!.Value, image.Type!.Value));
        Assert.Equal(image.Length, new FileInfo(ImagePath).Length);

        var restored = Images.Restore(ImagePath, cancellation: Cancellation);
        Assert.NotEqual(domain.Id, restored.Id);
        Assert.Equal((domain.Uuid, domain.Name, type), (restored.Uuid, restored.Name, restored.Type));
        Assert.Equal(DomainConfigJson.Write(config), DomainConfigJson.Write(Contract.Directory.FindConfig(restored.Key)!));
        Assert.Equal(DomainCreation.RestoreStepNames, restored.Creation!.Steps.Select(step => step.Name));
        AssertListens(restored);
        restored = Host.GetDomain(restored.Key);
        Assert.Equal((domain.MemoryKiB, domain.MaxMemoryKiB, domain.MaxVcpuCount), (restored.MemoryKiB, restored.MaxMemoryKiB, restored.MaxVcpuCount));
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_domain_can_be_saved_and_restored_over_and_over(GuestType type)
    {
        var domain = Create(draft => draft.Type = type);
        for (var round = 0; round < 20; round++)
        {
            Images.Save(domain.Key, ImagePath, new SaveOptions { Overwrite = true }, Cancellation);
            domain = Images.Restore(ImagePath, cancellation: Cancellation);
        }

        AssertListens(domain);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_checkpoint_leaves_the_guest_running_and_can_be_gone_back_to(GuestType type)
    {
        var domain = Create(draft => draft.Type = type);

        Images.Save(domain.Key, ImagePath, new SaveOptions { KeepRunning = true }, Cancellation);
        Images.Save(domain.Key, ImagePath, new SaveOptions { KeepRunning = true, Overwrite = true }, Cancellation); // it listens still
        Assert.Contains(Host.GetDomain(domain.Key).State, new[] { DomainState.Blocked, DomainState.Running, DomainState.Runnable });
        AssertFails(ErrorIds.DomainNameTaken, () => Images.Restore(ImagePath, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainUuidTaken, () => Images.Restore(ImagePath, new RestoreOptions { Name = "contract-other" }, Cancellation));

        AssertListens(domain);
        Host.DestroyDomain(domain.Key);
        AssertListens(Images.Restore(ImagePath, cancellation: Cancellation));
    }

    [Fact]
    public void The_end_of_a_guest_that_was_checkpointed_is_noticed()
    {
        var domain = Create(draft => draft.OnPoweroff = LifecycleAction.Destroy);
        Images.Save(domain.Key, ImagePath, new SaveOptions { KeepRunning = true }, Cancellation);

        Assert.Null(Host.Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation));
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_copy_is_a_domain_of_its_own(GuestType type)
    {
        var domain = Create(draft => draft.Type = type);

        var copy = Created(Images.Copy(domain.Key, "contract-copy", Patiently, cancellation: Cancellation));
        Assert.NotEqual(domain.Uuid, copy.Uuid);
        Assert.Equal("contract-copy", copy.Name);
        Images.Save(domain.Key, ImagePath, new SaveOptions { KeepRunning = true }, Cancellation);
        var another = Created(Images.Restore(ImagePath, new RestoreOptions { Name = "contract-another", AsCopy = true, Paused = true }, Cancellation));
        Assert.Equal(DomainState.Paused, another.State);
        Host.UnpauseDomain(another.Key);

        foreach (var each in new[] { domain, copy, another }) AssertListens(each);
    }

    [Fact]
    public void A_domain_goes_through_a_pipe()
    {
        var domain = Create();
        var bytes = new MemoryStream();
        Images.Save(domain.Key, bytes, cancellation: Cancellation);
        bytes.Position = 0;
        AssertListens(Images.Restore(bytes, cancellation: Cancellation));

        // What was cut off is found to be so before its guest runs.
        var again = Host.GetDomain(domain.Uuid);
        var whole = new MemoryStream();
        Images.Save(again.Key, whole, cancellation: Cancellation);
        AssertFails(ErrorIds.ImageInvalid, () => Images.Restore(new MemoryStream(whole.ToArray()[..^1]), cancellation: Cancellation));
        Assert.DoesNotContain(Host.ListDomains(), left => left.Uuid == domain.Uuid && left.State != DomainState.Dying);
    }

    [Fact]
    public void A_guest_that_does_not_suspend_itself_goes_on_and_is_no_longer_asked()
    {
        var domain = Create(draft => draft.CommandLine = "noxs");

        AssertFails(ErrorIds.SuspendTimeout, () => Images.Save(domain.Key, ImagePath, new SaveOptions { Timeout = Briefly }, Cancellation));
        Assert.False(File.Exists(ImagePath));
        Assert.False(Contract.Bus.WithdrawRequest(domain.Key)); // there is none any more
        Assert.NotEqual(DomainState.Shutdown, Host.GetDomain(domain.Key).State);
    }

    [Fact]
    public void A_guest_that_cannot_be_waited_for_is_no_longer_asked_or_else_noted()
    {
        var domain = Create(draft => draft.CommandLine = "noxs");

        Assert.Contains("taken back", Fail(takesBack: true), StringComparison.Ordinal);
        Assert.False(Contract.Bus.WithdrawRequest(domain.Key)); // there is none any more
        Assert.DoesNotContain(Contract.Directory.Suspensions(), noted => noted.Uuid == domain.Uuid);

        Assert.Contains("should it suspend itself yet", Fail(takesBack: false), StringComparison.Ordinal);
        Assert.Contains(Contract.Directory.Suspensions(), noted => noted.Uuid == domain.Uuid);
        Contract.Bus.WithdrawRequest(domain.Key);
        Contract.Directory.EndSuspension(domain.Uuid);

        string Fail(bool takesBack)
        {
            var hypervisor = new FailingHypervisor(Contract.Hypervisor, int.MaxValue);
            using var host = new LvmHost(hypervisor, new UnownedDirectory(Contract.Directory, new BrokenWatch()), new UnownedBus(Contract.Bus, takesBack));
            return AssertFails(ErrorIds.StoreFailure, () => host.Images.Save(domain.Key, ImagePath, cancellation: Cancellation)).Problem;
        }
    }

    [Fact]
    public void What_cannot_suspend_itself_is_refused_at_once()
    {
        var paused = Create(draft => draft.Paused = true);
        var crashed = Create(draft => draft.CommandLine = "crash");
        AssertBecomes(crashed.Key, DomainState.Crashed);

        AssertFails(ErrorIds.DomainInvalidState, () => Images.Save(paused.Key, ImagePath, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainInvalidState, () => Images.Save(crashed.Key, ImagePath, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainProtected, () => Images.Save(Host.ListDomains()[0].Key, ImagePath, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainInvalidState, () => Images.Copy(paused.Key, "contract-copy", Patiently, cancellation: Cancellation));
        Assert.False(File.Exists(ImagePath));
    }

    [Fact]
    public void An_image_that_is_there_is_kept_unless_it_shall_be_replaced()
    {
        var domain = Create();
        File.WriteAllText(ImagePath, "precious");

        AssertFails(ErrorIds.ImageExists, () => Images.Save(domain.Key, ImagePath, cancellation: Cancellation));
        AssertFails(ErrorIds.HostFileFailure, () => Images.Save(domain.Key, Path.Combine(_folder, "no", "such", "folder"), cancellation: Cancellation));
        Assert.Equal("precious", File.ReadAllText(ImagePath));
        AssertListens(domain);
        Images.Save(domain.Key, ImagePath, new SaveOptions { Overwrite = true, KeepRunning = true }, Cancellation);
        Assert.Equal(ImageState.Whole, ImageReader.Describe(ImagePath, Cancellation).State);
    }

    [Fact]
    public void A_guest_whose_save_fails_goes_on()
    {
        var domain = Create();
        File.WriteAllText(ImagePath, "precious");

        var error = Assert.ThrowsAny<LvmException>(() => Images.Save(domain.Key, new FullDisk(), cancellation: Cancellation));
        Assert.Equal("save", error.Operation);
        AssertListens(domain);
        var faulty = new FailingHypervisor(Contract.Hypervisor, 1);
        using var host = new LvmHost(faulty, new UnownedDirectory(Contract.Directory), new UnownedBus(Contract.Bus));
        Assert.Equal(FailingHypervisor.Problem, Assert.ThrowsAny<LvmException>(() => host.Images.Save(domain.Key, ImagePath, new SaveOptions { Overwrite = true }, Cancellation)).Problem);
        AssertListens(domain);
        Assert.Equal("precious", File.ReadAllText(ImagePath));
    }

    [Fact]
    public void A_broken_image_is_refused_before_anything_is_made()
    {
        var domain = Create();
        Images.Save(domain.Key, ImagePath, cancellation: Cancellation);
        var bytes = File.ReadAllBytes(ImagePath);
        var last = Host.ListDomains()[^1].Id;

        foreach (var length in new[] { 0, 1, 64, bytes.Length / 2, bytes.Length - 1 })
        {
            File.WriteAllBytes(ImagePath, bytes[..length]);
            AssertFails(ErrorIds.ImageInvalid, () => Images.Restore(ImagePath, cancellation: Cancellation));
        }

        for (var place = 0; place < bytes.Length; place += Math.Max(1, bytes.Length / 50))
        {
            bytes[place] ^= 4;
            File.WriteAllBytes(ImagePath, bytes);
            var error = Assert.ThrowsAny<LvmException>(() => Images.Restore(ImagePath, cancellation: Cancellation));
            Assert.Contains(error.ErrorId, new[] { ErrorIds.ImageInvalid, ErrorIds.ImageUnsupported });
            bytes[place] ^= 4;
        }

        Assert.Equal(last, Host.ListDomains()[^1].Id); // nothing was ever created
        File.WriteAllBytes(ImagePath, bytes);
        AssertListens(Images.Restore(ImagePath, cancellation: Cancellation));
    }

    [Fact]
    public void A_restoration_that_is_cancelled_leaves_nothing()
    {
        var domain = Create();
        Images.Save(domain.Key, ImagePath, cancellation: Cancellation);
        foreach (var step in DomainCreation.RestoreStepNames)
        {
            using var cancellation = new CancellationTokenSource();
            using var listener = CancelAt("restore/" + step, cancellation);
            try
            {
                Images.Restore(ImagePath, cancellation: cancellation.Token);
                Assert.Equal(DomainCreation.RestoreStepNames.Last(), step); // too late to cancel: it runs
            }
            catch (LvmException error)
            {
                Assert.Equal(ErrorIds.OperationCancelled, error.ErrorId);
                Assert.Null(error.LeftBehind);
            }
        }

        AssertListens(Host.GetDomain(domain.Uuid));
    }

    [Fact]
    public void A_restoration_that_fails_at_any_call_leaves_nothing()
    {
        var domain = Create();
        Images.Save(domain.Key, ImagePath, cancellation: Cancellation);
        for (var call = 1; ; call++)
        {
            var faulty = new FailingHypervisor(Contract.Hypervisor, call);
            using var host = new LvmHost(faulty, new UnownedDirectory(Contract.Directory), new UnownedBus(Contract.Bus));
            try
            {
                host.Images.Restore(ImagePath, cancellation: Cancellation);
                Assert.True(call > 5, $"only {call - 1} calls were made to fail");
                break;
            }
            catch (LvmException error)
            {
                Assert.Equal((FailingHypervisor.Problem, domain.Name, (string?)null), (error.Problem, error.Domain, error.LeftBehind));
            }

            Assert.DoesNotContain(Host.ListDomains(), left => left.Uuid == domain.Uuid && left.State != DomainState.Dying);
        }

        AssertListens(Host.GetDomain(domain.Uuid));
    }

    [Fact]
    public void A_guest_that_a_dead_saver_has_left_suspended_is_let_go_on()
    {
        var domain = Create();
        Contract.Directory.NoteSuspension(domain.Uuid, new Suspension("save"));
        Host.Lifecycle.Request(domain.Key, ShutdownReason.Suspend);
        AssertBecomes(domain.Key, DomainState.Shutdown);

        var said = new List<string>();
        using (Contract.Directory.HoldDomain(domain.Uuid, Patiently))
        {
            new LifecycleActions(Host, said.Add).Pass(Cancellation); // who holds it is at work
            Assert.Equal(DomainState.Shutdown, Host.GetDomain(domain.Key).State);
        }

        Assert.Empty(said);
        AssertListens(domain); // who saves it lets it go on first, and the daemon has nothing to do
        Assert.Empty(Contract.Directory.Suspensions());
        Contract.Directory.NoteSuspension(domain.Uuid, new Suspension("save"));
        Host.Lifecycle.Request(domain.Key, ShutdownReason.Suspend);
        AssertBecomes(domain.Key, DomainState.Shutdown);
        new LifecycleActions(Host, said.Add).Pass(Cancellation);
        Assert.Contains(domain.Name, Assert.Single(said), StringComparison.Ordinal);
        AssertListens(domain);
    }

    /// <summary>The guest runs, and knows what it is asked: it suspends itself, and goes on.</summary>
    private void AssertListens(Domain domain)
    {
        Created(domain);
        Images.Save(domain.Key, Path.Combine(_folder, "listens"), new SaveOptions { KeepRunning = true, Overwrite = true }, Cancellation);
    }

    /// <summary>A disk that is full after a few bytes.</summary>
    private sealed class FullDisk : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count)
        {
            if (Length + count > 2000) throw new IOException("No space left on device");
            base.Write(buffer, offset, count);
        }

        public override void Write(ReadOnlySpan<byte> buffer) => Write(buffer.ToArray(), 0, buffer.Length);
    }
}
