namespace LightVM.Migration;

/// <summary>What a target says of a domain that might be moved there.</summary>
public sealed record MoveReport
{
    public required string Name { get; init; }

    public required Guid Uuid { get; init; }

    public required MigrationTarget Target { get; init; }

    /// <summary>What the target calls itself.</summary>
    public required string TargetName { get; init; }

    /// <summary>"4.17.7".</summary>
    public required string TargetXen { get; init; }

    /// <summary>Whether it could be moved now.</summary>
    public bool IsPossible => Obstacles.All(obstacle => obstacle.IsWarning);

    /// <summary>Whether it would be copied while its guest runs.</summary>
    public required bool IsLive { get; init; }

    /// <summary>What speaks against it.</summary>
    public required IReadOnlyList<MoveObstacle> Obstacles { get; init; }
}
