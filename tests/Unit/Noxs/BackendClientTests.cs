using LightVM.Errors;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

public sealed class BackendClientTests
{
    [Fact]
    public void Where_there_is_no_backend_it_says_so()
    {
        using var backend = new NoxsBackend("/nowhere/noxs_backend");
        var error = Assert.Throws<LvmException>(() => backend.Create([CreateArgument.Sysctl(7)]));
        Assert.Equal(ErrorIds.NoxsUnavailable, error.ErrorId);
        Assert.Equal(ErrorKind.NotAvailable, error.Kind);
    }

    [Fact]
    public void What_is_no_such_device_fails()
    {
        using var backend = new NoxsBackend("/dev/null");
        var error = Assert.Throws<LvmException>(() => backend.List(DeviceType.Vif, 7));
        Assert.Equal(ErrorIds.NoxsFailure, error.ErrorId);
        Assert.Equal(ErrnoText.ENOTTY, error.Errno);
    }

    [Fact]
    public void It_is_of_no_use_after_its_end()
    {
        var backend = new NoxsBackend("/dev/null");
        backend.Dispose();
        Assert.Throws<ObjectDisposedException>(() => backend.List(DeviceType.Vif, 7));
    }
}
