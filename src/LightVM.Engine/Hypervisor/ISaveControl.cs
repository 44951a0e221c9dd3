namespace LightVM.Hypervisor;

/// <summary>How far the rounds of a live save have got.</summary>
/// <param name="Round">Rounds that are done.</param>
/// <param name="PagesSent">Pages of 4 KiB written so far, those counted twice that were written twice.</param>
/// <param name="PagesDirty">Pages that the guest has changed since they were written; null where nobody has counted yet.</param>
public readonly record struct SaveProgress(int Round, long PagesSent, long? PagesDirty);

/// <summary>What happens next in a live save.</summary>
public enum SaveDecision
{
    /// <summary>The pages that were changed are written while the guest runs on.</summary>
    NextRound,

    /// <summary>The guest is suspended, and what is left is written.</summary>
    StopAndCopy,
}

/// <summary>What a save asks of its caller while it goes on. What its members throw ends the save, and is thrown by it.</summary>
public interface ISaveControl
{
    /// <summary>Whether memory is written while the guest runs, in rounds. False: the guest is suspended first.</summary>
    bool IsLive { get; }

    /// <summary>Asked before each round and after it.</summary>
    SaveDecision Decide(in SaveProgress progress);

    /// <summary>Brings the guest to suspend itself, and returns when it has.</summary>
    void Suspend();
}
