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

    [Fact]
    public void Whoever_uses_its_file_has_it_to_the_end_of_the_call()
    {
        for (var round = 0; round < 300; round++)
        {
            var backend = new NoxsBackend("/dev/null");
            ObjectDisposedException? end = null;
            using var begun = new ManualResetEventSlim();
            var caller = new Thread(() =>
            {
                while (end is null)
                {
                    try
                    {
                        backend.WithdrawRequest(7);
                        begun.Set();
                    }
                    catch (ObjectDisposedException error)
                    {
                        end = error;
                    }
                }
            });
            caller.Start();
            begun.Wait(TestContext.Current.CancellationToken);
            backend.Dispose();
            caller.Join();
            Assert.Equal(typeof(NoxsBackend).FullName, end!.ObjectName); // and not the file's
        }
    }
}
