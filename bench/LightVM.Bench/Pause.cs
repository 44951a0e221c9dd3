namespace LightVM.Bench;

/// <summary>
/// What is waited after each creation and each destruction, so that the daemons (xenstored, xenconsoled) are done with one guest before the next is measured. They go through all
/// guests whenever one ends, and so need the longer the more there are. Yet it is the same however many are there already: what was not done for two seconds takes
/// half as long again as what was done just now, and that would be taken for the growth that is looked for.
/// </summary>
/// <param name="leastMs">In a run in which no other guest is there.</param>
/// <param name="most">How many are there in the end.</param>
internal sealed class Pause(int leastMs, int most)
{
    /// <summary>For each guest that is there in the end.</summary>
    private const int MsBeside = 2;

    public int Ms { get; } = leastMs + most * MsBeside;

    public void Take() => Thread.Sleep(Ms);
}
