namespace LightVM.Bench.Contenders;

/// <summary>One way of creating the guest, or of saving and restoring it.</summary>
internal interface IContender
{
    /// <summary>Part of the names of its series.</summary>
    string Name { get; }

    /// <summary>Whether each operation starts a process, which takes its time.</summary>
    bool IsProcess { get; }

    /// <summary>Creates and removes guests one after another; whoever measures images saves and restores each in between.</summary>
    /// <param name="sample">Takes each sample: its series ("create-NAME", "save-NAME", "step-NAME-STEP") and milliseconds.</param>
    void Create(int count, Action<string, double> sample);
}
