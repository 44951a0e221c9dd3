using System.Globalization;
using System.Text;

namespace LightVM.Host.Devices;

/// <summary>How much a line of the log matters: syslog's numbers.</summary>
internal enum LogLevel
{
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
}

/// <summary>
/// The daemon's log: lines on standard error or in a file. Journald gets each line's priority in its own notation (sd-daemon(3)), and
/// keeps the time itself. A log that cannot be written stops nobody.
/// </summary>
internal sealed class DaemonLog : IDisposable
{
    private readonly object _lock = new();
    private readonly string? _file;
    private readonly bool _toJournal;
    private TextWriter _writer;

    /// <param name="error">Where to write when no file is named.</param>
    /// <param name="file">A file to append to.</param>
    /// <param name="toJournal">Whether journald reads standard error.</param>
    public DaemonLog(TextWriter error, string? file = null, bool toJournal = false)
    {
        _file = file;
        _toJournal = toJournal && file is null;
        _writer = file is null ? error : Open(file);
    }

    public void Error(string message) => Write(LogLevel.Error, message);

    public void Warning(string message) => Write(LogLevel.Warning, message);

    public void Notice(string message) => Write(LogLevel.Notice, message);

    public void Info(string message) => Write(LogLevel.Info, message);

    /// <summary>Opens the file again, for whoever moved it away.</summary>
    public void Reopen()
    {
        if (_file is null) return;
        lock (_lock)
        {
            try
            {
                var next = Open(_file);
                _writer.Dispose();
                _writer = next;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                Write(LogLevel.Error, $"the log cannot be opened again: {error.Message}");
            }
        }
    }

    public void Dispose()
    {
        if (_file is not null) _writer.Dispose();
    }

    private void Write(LogLevel level, string message)
    {
        var text = Line(message);
        var line = _toJournal
            ? string.Create(CultureInfo.InvariantCulture, $"<{(int)level}>{text}")
            : string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyy-MM-dd'T'HH:mm:ss.fff'Z'} {level.ToString().ToLowerInvariant()}: {text}");
        lock (_lock)
        {
            try
            {
                _writer.WriteLine(line);
                _writer.Flush();
            }
            catch (Exception error) when (error is IOException or ObjectDisposedException)
            {
                // There is nowhere left to tell.
            }
        }
    }

    /// <summary>One line, whatever is in it: a client's words must not look like lines of ours.</summary>
    private static string Line(string message)
    {
        if (!message.Any(char.IsControl)) return message;
        var line = new StringBuilder(message.Length);
        foreach (var letter in message) line.Append(char.IsControl(letter) ? ' ' : letter);
        return line.ToString();
    }

    private static StreamWriter Open(string file) =>
        new(new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
}
