using LightVM.Trust;

namespace LightVM.Unit.Host;

public sealed class TrustCommandTests : IDisposable
{
    private readonly Lightvm _here = new();
    private readonly Lightvm _there = new();

    public void Dispose()
    {
        _here.Dispose();
        _there.Dispose();
    }

    [Fact]
    public void What_one_host_shows_another_admits_from_a_file_and_from_standard_input()
    {
        var made = _there.Run("trust", "init", "--json").Json;
        Assert.True(made.GetProperty("self").GetBoolean());
        var shown = _there.Run("trust", "show").Output;
        Assert.Matches(@"^Name: +\S+\nFingerprint: SHA256:\S{43}\nSince: [^\n]+\n-----BEGIN CERTIFICATE-----\n", shown);

        using var reader = new Lightvm { Input = shown };
        foreach (var run in new[] { _here.Run("trust", "add", "--json", "Host-B", _here.File("b.pem", shown)), reader.Run("trust", "add", "--json", "host-b", "-") })
        {
            Assert.Equal((0, "host-b"), (run.ExitCode, run.Json.GetProperty("name").GetString()));
            foreach (var property in new[] { "fingerprint", "certificate" }) Assert.Equal(made.GetProperty(property).GetString(), run.Json.GetProperty(property).GetString());
        }
    }

    [Fact]
    public void A_fingerprint_is_enough_and_peers_are_listed_shown_and_removed()
    {
        var fingerprint = _there.Trust.CreateIdentity().Fingerprint;
        _here.Run("trust", "init");

        Assert.Equal(0, _here.Run("trust", "add", "b", "--fingerprint", fingerprint).ExitCode);

        Assert.Equal(["True ", "False b"], _here.Run("trust", "list", "--json").Json.EnumerateArray().Select(entry => $"{entry.GetProperty("self").GetBoolean()} {(entry.GetProperty("self").GetBoolean() ? "" : entry.GetProperty("name").GetString())}"));
        Assert.Matches($@"(?m)^b +peer +\S+ \S+ +{System.Text.RegularExpressions.Regex.Escape(fingerprint)}$", _here.Run("trust", "list").Output);
        Assert.Contains(fingerprint, _here.Run("trust", "show", "b").Output, StringComparison.Ordinal);
        Assert.Equal("b: removed\n", _here.Run("trust", "remove", "b").Output);
        Assert.Single(_here.Run("trust", "list", "--json").Json.EnumerateArray());
    }

    [Fact]
    public void Refusals_have_their_exit_codes()
    {
        Assert.Equal(8, _here.Run("trust", "show").ExitCode);
        Assert.Equal(4, _here.Run("trust", "show", "b").ExitCode);
        Assert.Equal(4, _here.Run("trust", "remove", "b").ExitCode);
        Assert.Equal(4, _here.Run("trust", "add", "b", "/no/such/file").ExitCode);
        Assert.Equal(3, _here.Run("trust", "add", "b", "--fingerprint", "SHA256:no").ExitCode);
        Assert.Equal(3, _here.Run("trust", "add", "../b", "--fingerprint", new string('0', 64)).ExitCode);
        Assert.Equal(2, _here.Run("trust", "add", "b").ExitCode);
        Assert.Equal(2, _here.Run("trust", "add", "b", "file", "--fingerprint", new string('0', 64)).ExitCode);
        Assert.Equal(0, _here.Run("trust", "init").ExitCode);
        Assert.Equal(5, _here.Run("trust", "init").ExitCode);
        Assert.Equal(0, _here.Run("trust", "init", "--force").ExitCode);
    }

    [Fact]
    public void A_damaged_peer_is_reported_and_the_others_are_listed()
    {
        _here.Trust.Admit("b", new string('0', 64));
        File.WriteAllText(Path.Combine(_here.Trust.Folder, "peers", "a.pem"), "damaged");

        var run = _here.Run("trust", "list", "--json");

        Assert.Equal((3, "TrustInvalid", "b"), (run.ExitCode, run.Errors.Single().GetProperty("id").GetString(), run.Json[0].GetProperty("name").GetString()));
    }
}
