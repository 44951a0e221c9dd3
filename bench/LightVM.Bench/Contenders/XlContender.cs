namespace LightVM.Bench.Contenders;

/// <summary>Xen's own toolstack: a process for each creation, as its users have it.</summary>
internal sealed class XlContender(string xl, string timed, GuestFiles files) : IContender
{
    private int _number;

    public string Name => "xl";

    public bool IsProcess => true;

    /// <summary>The program itself: what is on the PATH is a script that looks for it.</summary>
    public static string? Find() =>
        Directory.Exists("/usr/lib") ? Directory.GetDirectories("/usr/lib", "xen-*").Select(directory => Path.Combine(directory, "bin", "xl")).FirstOrDefault(File.Exists) : null;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var name = $"xl-{Environment.ProcessId}-{_number++}";
            sample("create-xl", Child.Number(Child.Run(timed, xl, "create", "-q", files.Xl(name))));
            Thread.Sleep(files.PauseMs);
            sample("destroy-xl", Child.Number(Child.Run(timed, xl, "destroy", name)));
            Thread.Sleep(files.PauseMs);
        }
    }
}
