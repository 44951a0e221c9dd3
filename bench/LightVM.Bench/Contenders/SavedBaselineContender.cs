using System.Globalization;

namespace LightVM.Bench.Contenders;

/// <summary>The bare C loop (bench/baseline/saved.c), one process a block.</summary>
internal sealed class SavedBaselineContender(string program, GuestFiles files, string image) : IContender
{
    /// <summary>Guests of each process that do not count: its first one reads the libraries' pages.</summary>
    private const int WarmUp = 1;

    public string Name => "baseline";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        var lines = Child.Run(program,
            "--kernel", files.Kernel,
            "--memory", Text(files.MemoryMiB),
            "--image", image,
            "--count", Text(count),
            "--warm-up", Text(WarmUp),
            "--pause", Text(files.Pause.Ms)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var columns = lines[0].Split(',');
        foreach (var line in lines.Skip(1))
        {
            foreach (var (column, value) in columns.Zip(line.Split(',')).Skip(1))
                sample(column.Split('-') is [var operation, var step] ? $"step-baseline-{operation}-{step}" : $"{column}-baseline", Child.Number(value));
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
