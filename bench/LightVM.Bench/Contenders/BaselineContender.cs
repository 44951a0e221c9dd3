using System.Globalization;

namespace LightVM.Bench.Contenders;

/// <summary>The bare C loop (bench/baseline), one process a block.</summary>
internal sealed class BaselineContender(string program, GuestFiles files) : IContender
{
    /// <summary>Creations of each process that do not count: its first one reads the libraries' pages.</summary>
    private const int WarmUp = 1;

    public string Name => "baseline";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        List<string> arguments = ["--kernel", files.Kernel, "--memory", Text(files.MemoryMiB), "--count", Text(count), "--warm-up", Text(WarmUp), "--pause", Text(files.Pause.Ms)];
        if (files.Devices.Bridge is { } bridge) arguments.AddRange(["--vif", bridge]);
        if (files.Devices.Disk is { } disk) arguments.AddRange(["--disk", disk]);
        var lines = Child.Run(program, arguments).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var columns = lines[0].Split(',');
        foreach (var line in lines.Skip(1))
        {
            foreach (var (column, value) in columns.Zip(line.Split(',')))
            {
                var series = column switch
                {
                    "sample" => null,
                    "total" => "create-baseline",
                    "destroy" => "destroy-baseline",
                    _ => $"step-baseline-{column}",
                };
                if (series is not null) sample(series, Child.Number(value));
            }
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
