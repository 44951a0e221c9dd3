namespace LightVM.Bench.Contenders;

/// <summary>Xen's own toolstack, which moves over ssh; PVH guests only, for it moves none that the hypervisor cannot note the writes of.</summary>
internal sealed class MovedXlContender(string xl, string timed, GuestFiles files, string target) : IContender
{
    private int _number;

    public string Name => "xl";

    public bool IsProcess => true;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var guest = $"xl-moved-{Environment.ProcessId}-{_number++}";
            Child.Run(timed, xl, "create", "-q", files.Xl(guest));
            files.Pause.Take();
            sample("move-xl", Child.Number(Child.Run(timed, ["-q", xl, "migrate", guest, target])));
            files.Pause.Take();
            Child.Run("ssh", target, $"{xl} destroy {guest}");
            files.Pause.Take();
        }
    }
}
