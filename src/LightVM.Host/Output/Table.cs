using System.Text;

namespace LightVM.Host.Output;

/// <summary>Text in aligned columns. A column is as wide as its widest cell: nothing is cut.</summary>
internal sealed class Table
{
    private const string Gap = "  ";

    private readonly (string Title, int Width)[] _columns;
    private readonly List<string[]> _rows = [];

    /// <param name="columns">Titles with the least width of each; a negative one aligns to the left, as in a format string.</param>
    public Table(params (string Title, int Width)[] columns)
    {
        _columns = columns;
    }

    public void Add(params string[] cells) => _rows.Add(cells);

    public void Write(TextWriter output)
    {
        var widths = new int[_columns.Length];
        for (var i = 0; i < widths.Length; i++)
            widths[i] = _rows.Select(row => row[i].Length).Append(Math.Abs(_columns[i].Width)).Append(_columns[i].Title.Length).Max();
        WriteRow(output, widths, Array.ConvertAll(_columns, column => column.Title));
        foreach (var row in _rows) WriteRow(output, widths, row);
    }

    private void WriteRow(TextWriter output, int[] widths, string[] cells)
    {
        var line = new StringBuilder();
        for (var i = 0; i < cells.Length; i++)
        {
            if (i > 0) line.Append(Gap);
            line.Append(_columns[i].Width < 0 ? cells[i].PadRight(widths[i]) : cells[i].PadLeft(widths[i]));
        }

        output.WriteLine(line.ToString().TrimEnd());
    }
}
