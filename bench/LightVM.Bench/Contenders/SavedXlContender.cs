namespace LightVM.Bench.Contenders;

/// <summary>Xen's own toolstack: a process for each operation, as its users have it.</summary>
internal sealed class SavedXlContender(string xl, string timed, GuestFiles files, string image) : IContender
{
    private int _number;

    public string Name => "xl";

    public bool IsProcess => true;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var guest = $"xl-saved-{Environment.ProcessId}-{_number++}";
            Child.Run(timed, xl, "create", "-q", files.Xl(guest));
            files.Pause.Take();
            Time("checkpoint", "save", "-c", guest, image);
            Time("save", "save", guest, image);
            Time("restore", "restore", image);
            Child.Run(timed, xl, "destroy", guest);
            File.Delete(image);
            files.Pause.Take();
        }

        void Time(string operation, params string[] arguments)
        {
            sample($"{operation}-xl", Child.Number(Child.Run(timed, ["-q", xl, .. arguments])));
            files.Pause.Take();
        }
    }
}
