namespace LightVM.Hosts;

/// <summary>Places at which a test may have a process die that saves a domain (<see cref="Linux.CrashPoint"/>).</summary>
internal static class SaveCrashPoints
{
    public const string Noted = "save-noted";
    public const string Asked = "save-asked";
    public const string Suspended = "save-suspended";
    public const string Written = "save-written";
    public const string Complete = "save-complete";
    public const string Saved = "save-saved";
    public const string Destroyed = "save-destroyed";
}
