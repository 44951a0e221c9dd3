namespace LightVM.Bench.Contenders;

/// <summary>The command line: a process for each creation.</summary>
internal sealed class LightvmContender(string lightvm, string timed, GuestFiles files) : IContender
{
    private int _number;

    public string Name => "lightvm";

    public bool IsProcess => true;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var name = $"lightvm-{Environment.ProcessId}-{_number++}";
            sample("create-lightvm", Child.Number(Child.Run(timed, lightvm, "create", files.Json, "--name", name)));
            files.Pause.Take();
            sample("destroy-lightvm", Child.Number(Child.Run(timed, lightvm, "destroy", name)));
            files.Pause.Take();
        }
    }
}
