namespace LightVM.Bench;

/// <summary>
/// What is waited after each creation and each destruction, so that the daemons (xenstored, xenconsoled) are done with one guest before the next is measured. They go through all
/// guests whenever one ends, and so need the longer the more there are.
/// </summary>
/// <param name="leastMs">Beside no other guest.</param>
internal sealed class Pause(int leastMs)
{
    /// <summary>For each guest beside.</summary>
    private const int MsBeside = 2;

    /// <summary>Guests that run beside.</summary>
    public int Beside { get; set; }

    public int Ms => leastMs + Beside * MsBeside;

    public void Take() => Thread.Sleep(Ms);
}
