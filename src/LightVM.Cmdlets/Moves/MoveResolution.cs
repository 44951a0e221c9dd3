namespace LightVM.Cmdlets.Moves;

/// <summary>One of the two hosts of a move.</summary>
public enum GuestPlace
{
    /// <summary>The host that the domain was to leave.</summary>
    Here,

    /// <summary>The one that it was to go to.</summary>
    There,
}

/// <summary>How a move ended that had been undecided.</summary>
public sealed record MoveResolution(string Name, Guid Uuid, GuestPlace GoesOn);
