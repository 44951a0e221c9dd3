using System.Runtime.CompilerServices;
using System.Text;
using LightVM.Linux;
using LightVM.Migration;
using static LightVM.Unit.Migration.TwoHosts;

namespace LightVM.Unit.Migration;

/// <summary>The far end of an ssh connection: this program in a process of its own, told so by its environment.</summary>
public sealed class StandardStreamsTests : IDisposable
{
    private const string Variable = "LIGHTVM_UNIT_STDIO";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-stdio-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("10.9.0.1 40000 10.9.0.2 22", "10.9.0.1")]
    [InlineData("", "the process that started this one")]
    public void They_are_a_link_into_which_nothing_strays(string connection, string peer)
    {
        using var link = Connect($"{Variable}=echo SSH_CONNECTION='{connection}'");

        Assert.Equal(peer, ReadLine(link));
        WriteLine(link, "hello");
        Assert.Equal("hello", ReadLine(link));
        link.CloseWriting();
        Assert.Equal("its end\n", new StreamReader(link.Stream).ReadToEnd());
    }

    [Fact]
    public void What_strays_is_among_the_words_of_a_failure()
    {
        using var link = Connect($"{Variable}=fail");

        Assert.Contains("a stray word", Assert.ThrowsAny<LightVM.Errors.LvmException>(() => link.Stream.ReadExactly(new byte[1])).Message, StringComparison.Ordinal);
    }

    [ModuleInitializer]
    internal static unsafe void RunIfAsked()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } asked) return;
        using (var link = StandardStreams.Take())
        {
            // As a library would that knows nothing of links.
            var stray = "a stray word\n"u8;
            fixed (byte* bytes = stray) _ = Libc.Write(1, bytes, (nuint)stray.Length);
            if (asked == "fail") Environment.Exit(1);
            WriteLine(link, link.PeerName);
            WriteLine(link, ReadLine(link));
            if (link.Stream.Read(new byte[1]) == 0) link.Stream.Write(Encoding.UTF8.GetBytes("its end\n"));
        }

        Environment.Exit(0);
    }

    private MigrationLink Connect(string environment)
    {
        var script = Path.Combine(_folder.FullName, "ssh");
        File.WriteAllText(script + ".sh", $"#!/bin/sh\nexec env {environment} '{Environment.ProcessPath}' '{typeof(StandardStreamsTests).Assembly.Location}'\n");
        using var copy = System.Diagnostics.Process.Start("install", ["-m", "755", script + ".sh", script]);
        copy.WaitForExit();
        return SshTransport.Connect("there", null, Patience, script);
    }
}
