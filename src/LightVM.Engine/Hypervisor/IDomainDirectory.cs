using LightVM.Configuration;
using LightVM.Consoles;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Migration;
using LightVM.Pools;

namespace LightVM.Hypervisor;

/// <summary>What the directory keeps of each domain beside the hypervisor's own record.</summary>
/// <param name="Name">The domain's name.</param>
/// <param name="StartTime">When it was started; null where its toolstack did not say.</param>
public sealed record DirectoryEntry(string Name, DateTimeOffset? StartTime);

/// <summary>All that is published of a new domain.</summary>
public sealed record DomainPublication
{
    public required DomainKey Key { get; init; }

    public required string Name { get; init; }

    public required GuestType Type { get; init; }

    public required int Vcpus { get; init; }

    /// <summary>vCPUs that it could have: those beyond <see cref="Vcpus"/> are offline.</summary>
    public required int MaxVcpus { get; init; }

    public required long MemoryKiB { get; init; }

    public required long MaxMemoryKiB { get; init; }

    public required bool HasConsole { get; init; }

    public required GuestPorts Ports { get; init; }

    public required GuestRings Rings { get; init; }

    public required DateTimeOffset StartTime { get; init; }

    /// <summary>The uuid under which it was published before, where that was another; null for none.</summary>
    public Guid? FormerUuid { get; init; }

    /// <summary>What the domain is made of, with all that was settled at its creation: what it can be made of again.</summary>
    public required DomainConfig Config { get; init; }
}

/// <summary>
/// Where domains have their names, and guests find their consoles: Xenstore on a real host. Members may be called
/// from several threads. Every failure is an <see cref="Errors.LvmException"/>.
/// </summary>
public interface IDomainDirectory : IDisposable
{
    /// <summary>What is known of a domain; null when nothing is. Answers from memory where nothing has changed.</summary>
    DirectoryEntry? Find(DomainKey key);

    /// <summary>Makes what <see cref="Find"/> and <see cref="UuidsByName"/> answer current as of now, which takes a question to the store.</summary>
    void Refresh();

    /// <summary>
    /// Takes in the changes that have arrived, without asking: a name that somebody else changed this very moment may still be the
    /// old one. What a pass over many domains begins with.
    /// </summary>
    void TakeInChanges();

    /// <summary>The uuids that are published under a name. Some may belong to domains that are gone.</summary>
    IReadOnlyList<Guid> UuidsByName(string name);

    /// <summary>Keeps everybody else of this toolstack from taking a name until the result is disposed. Errors: DomainNameTaken.</summary>
    IDisposable ReserveName(string name);

    /// <summary>
    /// Keeps everybody else of this toolstack from ending, restarting or changing the devices of a domain until the result is disposed;
    /// waits for whoever does that. Errors: DomainInvalidState when that takes too long.
    /// </summary>
    IDisposable HoldDomain(Guid uuid, TimeSpan patience);

    /// <summary>How many nodes a guest may have in the store; null where the store does not say.</summary>
    int? FindNodeQuota();

    /// <summary>
    /// Publishes a new domain, its name when all else is there, and introduces it to the store. Nothing is left of it when this throws. One that has no rings yet, for its guest is still
    /// to come, is introduced with them.
    /// </summary>
    void Publish(DomainPublication publication);

    /// <summary>Publishes the rings of a domain that had none when it was published, and introduces it to the store.</summary>
    void PublishRings(DomainPublication publication);

    /// <summary>
    /// Publishes a shell, which has no configuration yet: all that its guest will look for, but for the rings of one that has no kernel,
    /// which is not introduced either.
    /// </summary>
    void PublishShell(DomainPublication publication);

    /// <summary>Makes of a shell the domain that it becomes: with its name, its configuration, and what else is different.</summary>
    /// <param name="shell">What was published of it.</param>
    /// <param name="changed">Interfaces that have got another address.</param>
    void PublishAs(DomainPublication publication, DomainPublication shell, IReadOnlyList<NetworkDevice> changed);

    /// <summary>What is kept of shells.</summary>
    internal IShellRecords Shells { get; }

    /// <summary>Changes a domain's name.</summary>
    void Rename(DomainKey key, string newName);

    /// <summary>What a domain was made of; null for a domain of another toolstack.</summary>
    DomainConfig? FindConfig(DomainKey key);

    /// <summary>Keeps what a domain is made of now.</summary>
    void SaveConfig(DomainKey key, DomainConfig config);

    /// <summary>The uuids of all domains whose configuration is kept.</summary>
    IReadOnlyList<Guid> ListConfigs();

    /// <summary>Forgets what a domain that is gone was made of.</summary>
    void RemoveConfig(Guid uuid);

    /// <summary>Notes that a domain is about to be destroyed and created again, so that whoever finds it destroyed can finish that.</summary>
    void BeginRestart(Guid uuid, DomainConfig config);

    /// <summary>Notes that a domain runs again, or never shall.</summary>
    void EndRestart(Guid uuid);

    /// <summary>The restarts that were begun and did not end.</summary>
    IReadOnlyList<(Guid Uuid, DomainConfig Config)> UnfinishedRestarts();

    /// <summary>Notes that a guest is about to be suspended, and for what: whoever finds it so, and nobody who does that, lets it go on.</summary>
    void NoteSuspension(Guid uuid, Suspension suspension);

    /// <summary>Notes that a guest goes on, or that there is nothing left to go on.</summary>
    void EndSuspension(Guid uuid);

    /// <summary>The suspensions that have not ended.</summary>
    IReadOnlyList<(Guid Uuid, Suspension Suspension)> Suspensions();

    /// <summary>Which machine this is, and since when it is up: no two runs of machines have the same.</summary>
    Guid Boot { get; }

    /// <summary>What is noted of a domain that another host sends, by the move's ticket; null for nothing.</summary>
    Arrival? FindArrival(Guid ticket);

    /// <summary>Notes how far a domain has come that another host sends.</summary>
    void SaveArrival(Guid ticket, Arrival arrival);

    /// <summary>Forgets that a domain came.</summary>
    void RemoveArrival(Guid ticket);

    /// <summary>All domains that others send, or have sent, and that are not forgotten.</summary>
    IReadOnlyList<(Guid Ticket, Arrival Arrival)> Arrivals();

    /// <summary>Tells the store that a guest goes on that was suspended: else nobody would be told of its next end.</summary>
    void NoteResumed(DomainKey key);

    /// <summary>Begins to watch for domains that end.</summary>
    IDomainWatch Watch();

    /// <summary>
    /// Waits, for a short time, until no daemon is about to write something about a domain that was published just now. Called before a
    /// domain is destroyed: what is written after it was withdrawn would stay for ever.
    /// </summary>
    void Settle(DomainKey key);

    /// <summary>Takes everything that is published of a domain away, whoever published it. What is gone already is no error.</summary>
    void Withdraw(DomainKey key);

    /// <summary>
    /// The console of a domain, for one more reader. Waits, for a short time, where the console daemon has not got to it yet.
    /// Errors: ConsoleUnavailable; some of them only when it is first read or written.
    /// </summary>
    /// <param name="exists">Whether the domain is still there: asked when its console is not.</param>
    IGuestConsole OpenConsole(DomainKey key, Func<bool> exists);
}
