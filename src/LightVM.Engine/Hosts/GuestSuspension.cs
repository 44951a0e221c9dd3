using System.Diagnostics;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Hosts;

/// <summary>
/// A guest that is suspended so as to be saved or moved, and goes on when this is disposed, unless it was given up. Noted before it is
/// asked, so that a guest whose saver was killed is found and goes on as well. The caller holds the domain.
/// </summary>
internal sealed class GuestSuspension(HostContext host, DomainKey key, string operation, TimeSpan patience, CancellationToken cancellation) : IDisposable
{
    /// <summary>
    /// How long to wait before the guest is asked again. Linux gives up on a suspension where a process waits for a disk that is just
    /// coming back, as after a restoration, and forgets that it was asked.
    /// </summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(5);

    private IDomainWatch? _watch;
    private bool _wasTakenUp;
    private bool _isNoted;
    private bool _isSuspended;
    private bool _isGivenUp;

    /// <summary>When the guest stopped: a time of <see cref="Stopwatch"/>; null as long as it has not.</summary>
    public long? SuspendedAt { get; private set; }

    /// <summary>Asks the guest to suspend itself, and waits for it. Errors: SuspendTimeout, DomainGone, DomainInvalidState, OperationCancelled.</summary>
    public void Suspend()
    {
        // It ends with this: the guest shall not stand still for the store's having less to watch.
        var watch = _watch = host.Directory.Watch();
        host.Directory.NoteSuspension(key.Uuid, new Suspension(operation));
        _isNoted = true;
        CrashPoint.Reach(SaveCrashPoints.Noted);
        host.Bus.Request(key, ShutdownReason.Suspend);
        CrashPoint.Reach(SaveCrashPoints.Asked);
        try
        {
            Await(watch);
        }
        catch (LvmException error) when (error.ErrorId is not (ErrorIds.DomainGone or ErrorIds.DomainInvalidState))
        {
            throw GiveUp(error);
        }

        SuspendedAt = Stopwatch.GetTimestamp();
        _isSuspended = true;
        CrashPoint.Reach(SaveCrashPoints.Suspended);
    }

    private void Await(IDomainWatch watch)
    {
        var begin = Stopwatch.GetTimestamp();
        for (var asked = begin; !HasSuspended();)
        {
            if (Stopwatch.GetElapsedTime(asked) >= AskAgain)
            {
                _wasTakenUp |= !host.Bus.WithdrawRequest(key);
                host.Bus.Request(key, ShutdownReason.Suspend);
                asked = Stopwatch.GetTimestamp();
            }

            var left = patience - Stopwatch.GetElapsedTime(begin);
            if (left <= TimeSpan.Zero) throw new LvmException(ErrorIds.SuspendTimeout, $"its guest has not suspended itself within {patience.TotalSeconds:0.#} s");
            try
            {
                watch.Wait(left < AskAgain ? left : AskAgain, cancellation);
            }
            catch (OperationCanceledException)
            {
                throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled while its guest was being suspended");
            }
        }
    }

    /// <summary>Notes that somebody else may have been told to let the guest run.</summary>
    public void NoteHandOver(HandOver handedOver) => host.Directory.NoteSuspension(key.Uuid, new Suspension(operation, handedOver));

    /// <summary>All of the guest is in its image: whoever finds what is left of it here takes it away.</summary>
    public void NoteSaved()
    {
        host.Directory.NoteSuspension(key.Uuid, new Suspension(operation) { IsSaved = true });
        _isGivenUp = true;
    }

    /// <summary>Lets the guest go on. It was not suspended, or goes on already: then nothing happens.</summary>
    public void GoOn()
    {
        if (_isSuspended)
        {
            // Somebody who was killed may have asked it as well: it is to do it once.
            host.Bus.WithdrawRequest(key);
            LetGoOn(host, key);
        }

        _isSuspended = false;
        if (_isNoted) host.Directory.EndSuspension(key.Uuid);
        _isNoted = false;
    }

    /// <summary>Whatever happens, the guest does not go on by itself: who finds the note knows whom to ask.</summary>
    public void LeaveSuspended() => _isGivenUp = true;

    public void Dispose()
    {
        try
        {
            if (!_isGivenUp) GoOn();
        }
        finally
        {
            _watch?.Dispose();
        }
    }

    /// <summary>Lets a suspended guest go on where it was.</summary>
    internal static void LetGoOn(HostContext host, DomainKey key)
    {
        host.Hypervisor.Resume(key.Id);
        host.Directory.NoteResumed(key);
    }

    private bool HasSuspended()
    {
        var info = host.Find(key) ?? throw new LvmException(ErrorIds.DomainGone, $"domain {key} is gone");
        if (info.ShutdownReason == ShutdownReason.Suspend) return true;
        return info.State is not (DomainState.Shutdown or DomainState.Crashed)
            ? false
            : throw new LvmException(ErrorIds.DomainInvalidState, $"its guest has ended ({info.ShutdownReason}) instead of suspending itself");
    }

    /// <summary>Takes the request back. Where the guest has taken it up already, or that cannot be known, the note stays: whoever sees it suspended lets it go on.</summary>
    private LvmException GiveUp(LvmException error)
    {
        string outcome;
        try
        {
            if (host.Bus.WithdrawRequest(key) && !_wasTakenUp) return Because("the request was taken back");
            _isSuspended = host.Find(key)?.ShutdownReason == ShutdownReason.Suspend;
            if (_isSuspended) return Because("it has taken up the request, and goes on");
            outcome = "it has taken up the request, and goes on as soon as it has";
        }
        catch (LvmException)
        {
            outcome = "the request could not be taken back: should it suspend itself yet, it goes on";
        }

        _isNoted = false;
        host.Directory.NoteSuspension(key.Uuid, new Suspension(operation)); // anew: who finds it goes by its age
        return Because(outcome);

        LvmException Because(string outcome) => new(error.ErrorId, $"{error.Problem}; {outcome}", error);
    }
}
