using LightVM.Errors;

namespace LightVM.Xen;

/// <summary>Both ways to the store, which are gone when somebody first needs the store: domains without one need none.</summary>
internal sealed class XenstoreConnection : IDisposable
{
    /// <summary>What is watched from the begin on: who makes, renames or removes a domain writes there.</summary>
    public const string VmRoot = "/vm";

    private readonly object _lock = new();
    private XenstoreClient? _client;
    private volatile XenstorePipeline? _pipeline;
    private bool _disposed;

    /// <summary>Errors of this and the other: XenLibraryMissing, XenstoreUnavailable, XenNotPrivileged.</summary>
    public XenstoreClient Client
    {
        get
        {
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return _client ??= XenstoreClient.Open();
            }
        }
    }

    public XenstorePipeline Pipeline
    {
        get
        {
            if (_pipeline is { } open) return open;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                if (_pipeline is { } meanwhile) return meanwhile;
                var pipeline = XenstorePipeline.Open();
                try
                {
                    pipeline.Watch(VmRoot, "names");
                    pipeline.AwaitEvents(); // the first is of all that is there
                }
                catch
                {
                    pipeline.Dispose();
                    throw;
                }

                return _pipeline = pipeline;
            }
        }
    }

    /// <summary>Whether somebody has needed it.</summary>
    public bool IsOpen => _pipeline is not null;

    /// <summary>Whether the store can be reached: it is tried as long as it could not.</summary>
    public bool CanBeReached()
    {
        try
        {
            _ = Pipeline;
            return true;
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.XenstoreUnavailable)
        {
            return false;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _pipeline?.Dispose();
            _client?.Dispose();
        }
    }
}
