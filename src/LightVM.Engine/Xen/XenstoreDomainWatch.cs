using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Xen;

/// <summary>xenstored is told by the hypervisor of every domain that ends, which only one process can be, and tells whoever watches.</summary>
internal sealed class XenstoreDomainWatch : IDomainWatch
{
    private readonly XenstorePipeline _pipeline;

    public XenstoreDomainWatch(XenstorePipeline pipeline)
    {
        _pipeline = pipeline;
        try
        {
            pipeline.Watch("@releaseDomain", "ends");
        }
        catch (LvmException)
        {
            pipeline.Dispose();
            throw;
        }
    }

    public bool Wait(TimeSpan timeout, CancellationToken cancellation)
    {
        if (!_pipeline.WaitForEvent(timeout, cancellation)) return false;
        _pipeline.TakeEvents();
        return true;
    }

    public void Dispose() => _pipeline.Dispose();
}
