using LightVM.Configuration;
using LightVM.Linux;
using LightVM.Pools;

namespace LightVM.Unit.Pools;

/// <summary>Shells as those see them who use them: by their records, as they come and go.</summary>
[Collection(Shells)]
public sealed class ShellShelfTests : IDisposable
{
    /// <summary>Of those who look whether there are shells: one after the other.</summary>
    public const string Shells = "shells";

    private readonly RunShellRecords _records = new();
    private readonly List<Guid> _made = [];
    private readonly ShellShelf _shelf = new();

    // A size that no other test asks for: the folder is everybody's.
    private readonly int _memoryMiB = Random.Shared.Next(10_000, 100_000);

    public void Dispose()
    {
        _shelf.Dispose();
        _shelf.Dispose(); // a host that is closed twice
        foreach (var uuid in _made) _records.Remove(uuid);
        Directory.Delete(Path.Combine(RunFolder.Path, Shells), recursive: true); // as where none was ever made
    }

    [Fact]
    public void The_oldest_that_waits_is_taken_and_each_once()
    {
        var (younger, older) = (Add(ShellState.Ready, minute: 2), Add(ShellState.Ready, minute: 1));

        Assert.Equal(older, Take());
        Assert.Equal(younger, Take());
        Assert.Null(Take());
    }

    [Fact]
    public void One_that_has_just_come_is_there_at_once()
    {
        Add(ShellState.Ready);
        Assert.NotNull(Take());
        for (var i = 0; i < 200; i++)
        {
            var uuid = Add(ShellState.Making);
            Assert.Null(Take());
            Add(ShellState.Ready, uuid: uuid);
            Assert.Equal(uuid, Take());
        }
    }

    [Fact]
    public void One_that_fits_better_and_has_just_come_is_taken_first()
    {
        Add(ShellState.Ready);
        Assert.NotNull(Take()); // from here on it is read what comes
        for (var i = 0; i < 50; i++)
        {
            var larger = Add(ShellState.Ready, memoryMiB: _memoryMiB + 1);
            var smaller = Add(ShellState.Ready);
            Assert.Equal(smaller, Take());
            Assert.Equal(larger, Take());
        }
    }

    [Fact]
    public void One_that_somebody_else_has_taken_is_not_given_out()
    {
        Add(ShellState.Ready);
        Assert.NotNull(Take());
        var uuid = Add(ShellState.Ready);
        Assert.True(_records.TryClaim(uuid));

        Assert.Null(Take());
    }

    [Fact]
    public void Whoever_takes_one_after_the_end_still_gets_it()
    {
        var uuid = Add(ShellState.Ready);
        _shelf.Dispose();

        Assert.Equal(uuid, Take());
    }

    [Fact]
    public void One_that_was_not_used_is_there_again()
    {
        var uuid = Add(ShellState.Ready);
        var shell = _shelf.Take(Request());
        Assert.NotNull(shell);
        Assert.Null(Take());

        _shelf.PutBack(shell);
        Assert.Equal(uuid, Take());
    }

    private Guid? Take() => _shelf.Take(Request())?.Uuid;

    private ShellRequest Request() => ShellRequest.Of(DomainConfig.From(new DomainConfigDraft { Name = "guest", MemoryMiB = _memoryMiB, VcpuCount = 1, Kernel = "/boot/guest" }));

    private Guid Add(ShellState state, int minute = 0, int? memoryMiB = null, Guid? uuid = null)
    {
        var shell = new ShellRecord
        {
            Uuid = uuid ?? Guid.NewGuid(),
            Pool = "pool",
            Flavour = new PoolFlavour { Kind = ShellKind.Shell, MemoryMiB = memoryMiB ?? _memoryMiB, MaxMemoryMiB = memoryMiB ?? _memoryMiB },
            State = state,
            Made = DateTimeOffset.UnixEpoch.AddMinutes(minute),
        };
        _records.Save(shell);
        _made.Add(shell.Uuid);
        return shell.Uuid;
    }
}
