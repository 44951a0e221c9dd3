using LightVM.Consoles;
using LightVM.Host.Devices;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>What guests write to their consoles, where there is no room for it.</summary>
public sealed class ConsoleOutputTests : IDisposable
{
    private readonly DirectoryInfo _logs = Directory.CreateTempSubdirectory("lightvm-console-logs-");
    private readonly Guid _uuid = Guid.NewGuid();
    private readonly StringWriter _messages = new();
    private readonly ConsoleOutput _output;

    public ConsoleOutputTests()
    {
        _output = new ConsoleOutput(_ => _uuid, _logs.FullName, new DaemonLog(_messages));
    }

    private string Spool => ConsoleSpools.PathOf(NoxsFiles.ConsoleFolder, _uuid);

    private string Log => Path.Combine(_logs.FullName, $"guest-{_uuid}.log");

    public void Dispose()
    {
        _output.Dispose();
        _logs.Delete(recursive: true);
    }

    [Fact]
    public void What_is_written_is_kept_and_logged()
    {
        _output.Write(7, "one "u8);
        _output.Write(7, "two"u8);
        Assert.Equal(("one two", "one two"), (File.ReadAllText(Spool), File.ReadAllText(Log)));
        _output.Close(7);
        Assert.Equal((false, true), (File.Exists(Spool), File.Exists(Log)));
        Assert.Empty(_messages.ToString());
    }

    [Fact]
    public void A_log_that_is_full_is_done_with_at_one_word()
    {
        File.CreateSymbolicLink(Log, "/dev/full");
        for (var i = 0; i < 10; i++) _output.Write(7, "a"u8);
        Assert.Equal("aaaaaaaaaa", File.ReadAllText(Spool));
        _output.Close(7);
        Assert.False(File.Exists(Spool));
        Assert.Contains("is not logged any more", Assert.Single(_messages.ToString().TrimEnd().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nothing_can_be_kept_there_is_one_word_and_it_is_tried_again()
    {
        Directory.CreateDirectory(Spool);
        for (var i = 0; i < 10; i++) _output.Write(7, "a"u8);
        Assert.Contains("is not kept", Assert.Single(_messages.ToString().TrimEnd().Split('\n')), StringComparison.Ordinal);
        Assert.Equal("aaaaaaaaaa", File.ReadAllText(Log));
        _output.Close(7); // and there is no file to be removed
        _output.Write(7, "b"u8);
        Directory.Delete(Spool);
        _output.Write(7, "c"u8);
        Assert.Equal("c", File.ReadAllText(Spool));
        _output.Close(7);
    }
}
