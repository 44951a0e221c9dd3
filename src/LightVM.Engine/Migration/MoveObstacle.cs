namespace LightVM.Migration;

/// <summary>Something at the target that speaks against a move.</summary>
/// <param name="ErrorId">The id of the error with which the move would fail.</param>
/// <param name="Problem">What it is, as a sentence without a full stop.</param>
/// <param name="IsWarning">Whether the move is possible all the same.</param>
public sealed record MoveObstacle(string ErrorId, string Problem, bool IsWarning = false)
{
    public override string ToString() => Problem;
}
