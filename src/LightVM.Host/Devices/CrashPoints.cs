using LightVM.Linux;

namespace LightVM.Host.Devices;

/// <summary>
/// Places at which a test may have the daemon die by SIGKILL (<see cref="CrashPoint"/>).
/// </summary>
internal static class CrashPoints
{
    public const string Variable = CrashPoint.Variable;

    public const string VifEvent = "vif-event";
    public const string VifBeforeBridge = "vif-before-bridge";
    public const string VifAfterBridge = "vif-after-bridge";
    public const string VifBeforeStatus = "vif-before-status";
    public const string VifAfterStatus = "vif-after-status";
    public const string VbdEvent = "vbd-event";
    public const string VbdBeforeLoop = "vbd-before-loop";
    public const string VbdAfterLoop = "vbd-after-loop";
    public const string VbdBeforePhysical = "vbd-before-physical";
    public const string VbdAfterPhysical = "vbd-after-physical";
    public const string VbdBeforeAutoclear = "vbd-before-autoclear";
    public const string VbdAfterAutoclear = "vbd-after-autoclear";
    public const string AddBeforeError = "add-before-error";
    public const string AddAfterError = "add-after-error";
    public const string RemoveEvent = "remove-event";
    public const string RemoveBeforeForget = "remove-before-forget";
    public const string RemoveAfterForget = "remove-after-forget";
    public const string RemoveBeforeLoop = "remove-before-loop";
    public const string RemoveAfterLoop = "remove-after-loop";
    public const string RemoveBeforeNodes = "remove-before-nodes";
    public const string RemoveAfterNodes = "remove-after-nodes";
    public const string ReserveBeforeHold = "reserve-before-hold";
    public const string ReserveAfterHold = "reserve-after-hold";
    public const string ScanBeforeStore = "scan-before-store";
    public const string ScanBeforeTakeover = "scan-before-takeover";
    public const string ScanBeforeOrphans = "scan-before-orphans";
    public const string ScanAfterOrphans = "scan-after-orphans";
    public const string ScanAfterCleaning = "scan-after-cleaning";

    /// <summary>All of them, in the order of the work.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        VifEvent, VifBeforeBridge, VifAfterBridge, VifBeforeStatus, VifAfterStatus,
        VbdEvent, VbdBeforeLoop, VbdAfterLoop, VbdBeforePhysical, VbdAfterPhysical, VbdBeforeAutoclear, VbdAfterAutoclear,
        AddBeforeError, AddAfterError,
        RemoveEvent, RemoveBeforeForget, RemoveAfterForget, RemoveBeforeLoop, RemoveAfterLoop, RemoveBeforeNodes, RemoveAfterNodes,
        ReserveBeforeHold, ReserveAfterHold,
        ScanBeforeStore, ScanBeforeTakeover, ScanBeforeOrphans, ScanAfterOrphans, ScanAfterCleaning,
    ];

    /// <summary>Where this process is to die; null, as ever, for nowhere.</summary>
    public static string? Chosen => CrashPoint.Chosen;

    public static void Reach(string point) => CrashPoint.Reach(point);
}
