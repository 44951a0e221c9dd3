namespace LightVM.Host.Devices;

/// <summary>Something that the daemon does for as long as it runs.</summary>
internal interface IDaemonTask
{
    /// <summary>For the log.</summary>
    string Name { get; }

    /// <summary>Does it until it is cancelled. An exception, or an end before that, ends the daemon, and who started it starts it again.</summary>
    void Run(CancellationToken cancellation);
}
