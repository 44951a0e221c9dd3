namespace LightVM.Bench.Contenders;

/// <summary>Xen's own toolstack: a process for each creation, as its users have it.</summary>
/// <param name="name">Part of the names of its series.</param>
/// <param name="script">Runs in place of Xen's hotplug scripts; null for these.</param>
internal sealed class XlContender(string xl, string timed, GuestFiles files, string name = "xl", string? script = null) : IContender
{
    private int _number;

    public string Name => name;

    public bool IsProcess => true;

    /// <summary>The program itself: what is on the PATH is a script that looks for it.</summary>
    public static string? Find() =>
        Directory.Exists("/usr/lib") ? Directory.GetDirectories("/usr/lib", "xen-*").Select(directory => Path.Combine(directory, "bin", "xl")).FirstOrDefault(File.Exists) : null;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var guest = $"{name}-{Environment.ProcessId}-{_number++}";
            sample($"create-{name}", Child.Number(Child.Run(timed, xl, "create", "-q", files.Xl(guest, script))));
            files.Pause.Take();
            sample($"destroy-{name}", Child.Number(Child.Run(timed, xl, "destroy", guest)));
            files.Pause.Take();
        }
    }
}
