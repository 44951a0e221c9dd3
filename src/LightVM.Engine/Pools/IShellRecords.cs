using LightVM.Hypervisor;

namespace LightVM.Pools;

/// <summary>
/// What is kept of the host's shells, for whoever finds them after a crash: as long as a shell has a record, it is no domain yet. Members
/// may be called from several threads and processes.
/// </summary>
internal interface IShellRecords
{
    /// <summary>Keeps a record.</summary>
    void Save(ShellRecord shell);

    /// <summary>Takes a shell that is ready: one caller gets it, all others false.</summary>
    bool TryClaim(Guid uuid);

    /// <summary>Forgets a shell that was claimed: it is a domain from now on.</summary>
    void Commit(Guid uuid);

    /// <summary>Forgets a shell, however far it had come. One that is not there is no error.</summary>
    void Remove(Guid uuid);

    /// <summary>Whether this is a shell that nobody has taken: it has a name that nobody can want.</summary>
    bool IsWaiting(Guid uuid);

    /// <summary>Those that somebody has taken.</summary>
    IReadOnlyList<Guid> ListClaimed();

    /// <summary>The record of a shell; null for none.</summary>
    ShellRecord? Find(Guid uuid);

    /// <summary>All records.</summary>
    IReadOnlyList<ShellRecord> List();

    /// <summary>Keeps which frames a shell's memory is made of.</summary>
    void SaveFrames(Guid uuid, IReadOnlyList<FrameRun> frames);

    /// <summary>The frames of a shell, which are forgotten with that; none where none were kept.</summary>
    IReadOnlyList<FrameRun> TakeFrames(Guid uuid);
}
