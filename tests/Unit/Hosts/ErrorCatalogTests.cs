using System.Reflection;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Unit.Hosts;

public sealed class ErrorCatalogTests
{
    private static readonly string[] Ids = typeof(ErrorIds).GetFields(BindingFlags.Public | BindingFlags.Static).Select(field => (string)field.GetRawConstantValue()!).ToArray();

    [Fact]
    public void Every_id_is_described_once_and_nothing_else_is() =>
        Assert.Equal(Ids.Order(), ErrorCatalog.All.Select(row => row.Id).Order());

    [Fact]
    public void An_id_is_its_own_name() =>
        Assert.All(typeof(ErrorIds).GetFields(BindingFlags.Public | BindingFlags.Static), field => Assert.Equal(field.Name, field.GetRawConstantValue()));

    [Fact]
    public void Every_remedy_is_a_sentence() =>
        Assert.All(ErrorCatalog.All, row => Assert.EndsWith(".", row.Remedy, StringComparison.Ordinal));

    /// <summary>Scripts test for these words: a row may be added, none may go or change its kind.</summary>
    [Theory]
    [InlineData(ErrorIds.XenNotRunning, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.XenNotPrivileged, ErrorKind.PermissionDenied)]
    [InlineData(ErrorIds.XenLibraryMissing, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.KernelNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.GuestNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.KernelInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.MemoryTooSmall, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.InsufficientMemory, ErrorKind.ResourceExhausted)]
    [InlineData(ErrorIds.CpuNotFound, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.BridgeNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.DomainNameTaken, ErrorKind.Conflict)]
    [InlineData(ErrorIds.DomainNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.DomainGone, ErrorKind.NotFound)]
    [InlineData(ErrorIds.ConfigSyntax, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.VirtualDeviceInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.NetworkAdapterInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.DeviceIdTaken, ErrorKind.Conflict)]
    [InlineData(ErrorIds.TooManyDevices, ErrorKind.ResourceExhausted)]
    [InlineData(ErrorIds.DeviceNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.DeviceFailure, ErrorKind.Failure)]
    [InlineData(ErrorIds.DeviceTimeout, ErrorKind.TimedOut)]
    [InlineData(ErrorIds.DeviceBusy, ErrorKind.TimedOut)]
    [InlineData(ErrorIds.MacAddressTaken, ErrorKind.Conflict)]
    [InlineData(ErrorIds.DiskNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.DiskInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.DiskInUse, ErrorKind.Conflict)]
    [InlineData(ErrorIds.StoreQuotaExceeded, ErrorKind.ResourceExhausted)]
    [InlineData(ErrorIds.ShutdownTimeout, ErrorKind.TimedOut)]
    [InlineData(ErrorIds.WaitTimeout, ErrorKind.TimedOut)]
    [InlineData(ErrorIds.ImageNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.ImageUnreadable, ErrorKind.PermissionDenied)]
    [InlineData(ErrorIds.ImageInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.ImageUnsupported, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.ImageExists, ErrorKind.Conflict)]
    [InlineData(ErrorIds.StreamInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.DeviceDaemonUnavailable, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.ServiceNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.ServiceFailure, ErrorKind.Failure)]
    [InlineData(ErrorIds.PoolNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.PoolExists, ErrorKind.Conflict)]
    [InlineData(ErrorIds.PoolInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.PoolDaemonUnavailable, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.TrustMissing, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.TrustExists, ErrorKind.Conflict)]
    [InlineData(ErrorIds.TrustInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.TrustNameInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.CertificateNotFound, ErrorKind.NotFound)]
    [InlineData(ErrorIds.TrustUnsafe, ErrorKind.PermissionDenied)]
    [InlineData(ErrorIds.TrustInaccessible, ErrorKind.PermissionDenied)]
    [InlineData(ErrorIds.PeerUnknown, ErrorKind.NotFound)]
    [InlineData(ErrorIds.PeerMismatch, ErrorKind.PermissionDenied)]
    [InlineData(ErrorIds.PeerRefused, ErrorKind.PermissionDenied)]
    [InlineData(ErrorIds.PeerBusy, ErrorKind.ResourceExhausted)]
    [InlineData(ErrorIds.HandshakeFailed, ErrorKind.Failure)]
    [InlineData(ErrorIds.ConnectionRefused, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.ConnectionFailed, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.ConnectionTimeout, ErrorKind.TimedOut)]
    [InlineData(ErrorIds.ConnectionLost, ErrorKind.Failure)]
    [InlineData(ErrorIds.HostNameInvalid, ErrorKind.InvalidInput)]
    [InlineData(ErrorIds.InsecureTransportRefused, ErrorKind.PermissionDenied)]
    [InlineData(ErrorIds.TransportUnavailable, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.TlsUnavailable, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.ListenerFailed, ErrorKind.NotAvailable)]
    [InlineData(ErrorIds.OperationCancelled, ErrorKind.Cancelled)]
    public void An_id_keeps_its_kind(string id, ErrorKind kind) => Assert.Equal(kind, ErrorCatalog.Get(id).Kind);

    [Fact]
    public void A_message_names_operation_domain_step_cause_words_of_libxc_what_is_left_and_the_remedy()
    {
        var error = new LvmException(ErrorIds.InsufficientMemory, "there are no pages") { Errno = ErrnoText.ENOMEM, HypervisorLog = "populate failed", Step = "memory" }
            .During("create", "web1");
        error.LeftBehind = "domain 7";

        Assert.Equal(
            "Cannot create domain 'web1' (step memory): there are no pages (ENOMEM, Cannot allocate memory); libxc: populate failed. Left behind: domain 7. "
            + ErrorCatalog.Get(ErrorIds.InsufficientMemory).Remedy,
            error.Message);
    }

    [Fact]
    public void A_machine_without_Xen_says_so()
    {
        Assert.SkipWhen(File.Exists("/sys/hypervisor/type") && File.ReadAllText("/sys/hypervisor/type").StartsWith("xen", StringComparison.Ordinal), "This machine runs under Xen.");
        Assert.Equal(ErrorIds.XenNotRunning, Assert.ThrowsAny<LvmException>(() => LvmHost.OpenXen()).ErrorId);
    }
}
