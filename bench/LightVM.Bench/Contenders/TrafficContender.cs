using System.Globalization;

namespace LightVM.Bench.Contenders;

/// <summary>Pure store traffic (bench/baseline/traffic.c): what was asked of the store for a guest's devices, and nothing in between.</summary>
internal sealed class TrafficContender : IContender, IDisposable
{
    /// <summary>Above all paths, so that nobody else takes them for devices.</summary>
    private const string Root = "/lightvm-bench";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-bench-");
    private readonly string _program;
    private readonly string _file;
    private readonly Pause _pause;

    public TrafficContender(string program, IEnumerable<StoreOperation> operations, Pause pause)
    {
        _program = program;
        _pause = pause;
        _file = Path.Combine(_folder.FullName, "traffic");
        File.WriteAllLines(_file, operations.Select(operation => $"{operation.Who}\t{operation.What}\t{(operation.Path is "" ? "" : Root + operation.Path)}\t{operation.Value}"));
    }

    public string Name => "traffic";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        var lines = Child.Run(_program,
            "--file", _file,
            "--root", Root,
            "--watch", Root + StoreTrace.Backends,
            "--count", Text(count),
            "--warm-up", "1",
            "--pause", Text(_pause.Ms)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var columns = lines[0].Split(',');
        foreach (var line in lines.Skip(1))
        {
            foreach (var (column, value) in columns.Zip(line.Split(',')).Skip(1)) sample(column == "total" ? "store-traffic" : $"store-traffic-{column}", Child.Number(value));
        }
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
