namespace LightVM.Lab;

/// <summary>The device daemon, running for the tests of a class; it is ended with them.</summary>
public sealed class RunningDeviceDaemon : IDisposable
{
    private readonly DeviceDaemon _daemon = DeviceDaemon.Start();

    /// <summary>What it wrote so far.</summary>
    public string Log => _daemon.Log;

    public int ProcessId => _daemon.ProcessId;

    public void Dispose() => _daemon.Dispose(); // as hard as it gets: nothing may depend on its taking leave
}
