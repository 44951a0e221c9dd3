namespace LightVM.Linux;

/// <summary>One event that the kernel sent of a device (uevent).</summary>
/// <param name="Action">"add", "remove", "online", "offline"…; <see cref="Lost"/> where events got lost.</param>
/// <param name="Subsystem">"xen-backend".</param>
/// <param name="SysName">The device's name in sysfs: "vif-3-0".</param>
/// <param name="Properties">All that the kernel said of it: XENBUS_PATH, XENBUS_TYPE, vif…</param>
internal readonly record struct KernelEvent(string Action, string Subsystem, string SysName, IReadOnlyDictionary<string, string> Properties)
{
    /// <summary>In an action's place: the kernel had to drop events, because they were not read in time. Whoever keeps a table looks anew.</summary>
    public const string Lost = "(lost)";

    public bool IsLoss => Action == Lost;

    /// <summary>A property; null where the event has none of this name.</summary>
    public string? this[string property] => Properties.GetValueOrDefault(property);
}
