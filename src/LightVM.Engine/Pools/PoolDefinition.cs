using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Pools;

/// <summary>What a pool is told to keep.</summary>
public sealed record PoolDefinition
{
    /// <summary>The longest name.</summary>
    public const int MaxNameLength = 40;

    /// <summary>The most shells of one pool.</summary>
    public const int Most = 10000;

    /// <summary>Its name; see <see cref="DomainName"/> for what is allowed.</summary>
    public required string Name { get; init; }

    public required PoolFlavour Flavour { get; init; }

    /// <summary>Shells that it keeps ready at least.</summary>
    public int Minimum { get; init; } = 1;

    /// <summary>Shells that it keeps ready at the most.</summary>
    public int Maximum { get; init; } = 8;

    /// <summary>Memory that its shells may take together, MiB; null for no limit but the maximum.</summary>
    public int? MemoryBudgetMiB { get; init; }

    /// <summary>Refuses what makes no sense. Errors: PoolInvalid.</summary>
    internal PoolDefinition Checked()
    {
        if (!DomainName.IsValid(Name, out var why)) throw Invalid($"'{Name}' is not a name: {why}");
        if (Name.Length > MaxNameLength) throw Invalid($"the name has {Name.Length} characters, at most {MaxNameLength} are allowed");
        if (Minimum < 0 || Minimum > Maximum) throw Invalid($"the minimum of {Minimum} is not within 0 and the maximum of {Maximum}");
        if (Maximum is < 1 or > Most) throw Invalid($"the maximum of {Maximum} is not within 1 and {Most}");
        if (MemoryBudgetMiB is { } budget && budget < Flavour.MemoryMiB) throw Invalid($"the memory budget of {budget} MiB is less than one shell has ({Flavour.MemoryMiB} MiB)");
        if (Flavour.Kind == ShellKind.Built && Flavour.Kernel is null) throw Invalid("a built shell needs a kernel");
        if ((Flavour.Kind == ShellKind.Snapshot) != (Flavour.Image is not null)) throw Invalid("a snapshot, and nothing else, is made of a saved image");
        var errors = Flavour.DraftFor(Guid.NewGuid()).Check();
        return errors.Count == 0 ? this : throw Invalid(string.Join("; ", errors));
    }

    private static LvmException Invalid(string problem) => new(ErrorIds.PoolInvalid, problem);
}
