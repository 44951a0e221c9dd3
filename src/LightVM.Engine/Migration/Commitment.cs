using LightVM.Hosts;

namespace LightVM.Migration;

/// <summary>That a domain goes on here, before it does: ends with one of the two.</summary>
internal sealed class Commitment(HostContext host, Guid ticket, Arrival arrival, IDisposable hold)
{
    /// <summary>It has been started.</summary>
    public void Finish() => End(ArrivalState.Finished);

    /// <summary>It could not be started, and has never run: nobody has been told otherwise.</summary>
    public void TakeBack() => End(ArrivalState.Refused);

    private void End(ArrivalState state)
    {
        try
        {
            host.Directory.SaveArrival(ticket, arrival with { State = state });
        }
        finally
        {
            hold.Dispose();
        }
    }
}
