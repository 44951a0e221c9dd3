using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LightVM.Bench;

/// <summary>What a figure has to reach.</summary>
/// <param name="AtMost">Whether it is an upper bound.</param>
internal readonly record struct Bound(double Value, bool AtMost)
{
    public static Bound Below(double value) => new(value, true);

    public static Bound Above(double value) => new(value, false);

    public bool IsReached(double figure) => AtMost ? figure <= Value : figure >= Value;

    public override string ToString() => (AtMost ? "<=" : ">=") + Value.ToString(CultureInfo.InvariantCulture);
}

/// <summary>Samples and figures of a run: printed as they come, and written at its end.</summary>
internal sealed class Results
{
    private const string Creation = "create-";

    private readonly List<(string Series, int Others, double Milliseconds)> _samples = [];
    private readonly List<(string Name, double Value, string Unit, Bound? Bound)> _figures = [];

    public void Sample(string series, int others, double milliseconds) => _samples.Add((series, others, milliseconds));

    public bool Has(string series, int others) => _samples.Any(sample => sample.Series == series && sample.Others == others);

    public double Median(string series, int others) => Percentile(series, others, 50);

    /// <summary>The smallest sample that is at least as large as so many of a hundred (nearest rank).</summary>
    public double Percentile(string series, int others, double percent)
    {
        var sorted = _samples.Where(sample => sample.Series == series && sample.Others == others).Select(sample => sample.Milliseconds).Order().ToArray();
        return sorted.Length == 0 ? double.NaN : sorted[Math.Clamp((int)Math.Ceiling(percent / 100 * sorted.Length) - 1, 0, sorted.Length - 1)];
    }

    public void Figure(string name, double value, string unit, Bound? bound = null)
    {
        if (double.IsNaN(value)) return;
        _figures.Add((name, value, unit, bound));
        var line = string.Create(CultureInfo.InvariantCulture, $"bench: {name} {Math.Round(value, 3)} {unit}");
        Console.WriteLine(bound is { } reach ? $"{line} reach {reach} {(reach.IsReached(value) ? "ok" : "short")}" : line);
    }

    /// <summary>Median and 99th percentile of a series.</summary>
    public void Figures(string series, int others)
    {
        Figure($"{series}-median-{others}", Median(series, others), "ms");
        Figure($"{series}-p99-{others}", Percentile(series, others, 99), "ms");
    }

    /// <summary>Tells on the error stream what is going on: a run takes minutes.</summary>
    public static void Progress(string what) => Console.Error.WriteLine($"[{DateTime.Now:HH:mm:ss}] {what}");

    public void Write(DirectoryInfo directory, string suite)
    {
        directory.Create();
        WriteSamples(Path.Combine(directory.FullName, $"{suite}-samples.csv"));
        WriteFigures(Path.Combine(directory.FullName, $"{suite}-figures.json"));
    }

    /// <summary>What a plot of creations is made of: a line for each number of guests beside, a column for each series, of which creations are called by their contender.</summary>
    public void WriteMedians(string path, IReadOnlyList<int> beside, IEnumerable<string> series)
    {
        var all = series.ToList();
        var lines = new List<string> { string.Join(',', ["others", .. all.Select(name => name.StartsWith(Creation, StringComparison.Ordinal) ? name[Creation.Length..] : name)]) };
        foreach (var others in beside)
        {
            var medians = all.Select(name => Median(name, others)).Select(median => double.IsNaN(median) ? "" : median.ToString("F3", CultureInfo.InvariantCulture));
            lines.Add(string.Join(',', [others.ToString(CultureInfo.InvariantCulture), .. medians]));
        }

        File.WriteAllLines(path, lines);
    }

    private void WriteSamples(string path)
    {
        var text = new StringBuilder("series,others,sample,ms\n");
        var next = new Dictionary<(string, int), int>();
        foreach (var (series, others, milliseconds) in _samples)
        {
            var number = next[(series, others)] = next.GetValueOrDefault((series, others)) + 1;
            text.Append(CultureInfo.InvariantCulture, $"{series},{others},{number},{milliseconds:F4}\n");
        }

        File.WriteAllText(path, text.ToString());
    }

    private void WriteFigures(string path)
    {
        using var file = File.Create(path);
        using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true });
        json.WriteStartArray();
        foreach (var (name, value, unit, bound) in _figures)
        {
            json.WriteStartObject();
            json.WriteString("name", name);
            json.WriteNumber("value", Math.Round(value, 4));
            json.WriteString("unit", unit);
            json.WriteString("reach", bound?.ToString());
            if (bound is { } reach) json.WriteBoolean("ok", reach.IsReached(value));
            else json.WriteNull("ok");
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
