namespace LightVM.Host.Noxs;

/// <summary>
/// The control pages of devices that are about to be made, allocated at once when the first is asked for: each time the driver goes through all
/// pages that it has ever granted. Those that nobody took are freed.
/// </summary>
internal sealed class NewPages(NoxsGuest guest, int count) : IDisposable
{
    private readonly SharedPage[] _pages = new SharedPage[count];
    private int _allocated;
    private int _taken;

    /// <summary>A page, and a port of the device that it is of. Errors: NoxsFailure, GrantsExhausted, EventChannelsExhausted.</summary>
    public (SharedPage Page, uint Port) TakeWithPort()
    {
        var access = guest.Worker.Access;
        if (_allocated == 0)
        {
            access.Share(guest.Domain, _pages);
            _allocated = _pages.Length;
        }

        var port = access.OfferPort(guest.Domain); // a page that has none is not taken
        return (_pages[_taken++], port);
    }

    public void Dispose()
    {
        for (; _taken < _allocated; _taken++) guest.Worker.Access.Unshare(_pages[_taken]);
    }
}
