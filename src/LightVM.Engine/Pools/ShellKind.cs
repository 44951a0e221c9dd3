namespace LightVM.Pools;

/// <summary>How far a shell is on its way to a running guest.</summary>
public enum ShellKind
{
    /// <summary>A domain with its memory and devices, and no kernel yet: it becomes whatever is asked for.</summary>
    Shell,

    /// <summary>A domain with kernel and command line: only its start is left.</summary>
    Built,

    /// <summary>A domain that was restored from a saved one, which goes on where that was.</summary>
    Snapshot,
}
