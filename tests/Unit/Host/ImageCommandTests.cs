using System.Text.Json;
using LightVM.Unit.Images;

namespace LightVM.Unit.Host;

public sealed class ImageCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();
    private readonly ImageFolder _folder = new();
    private readonly string _whole;
    private readonly string _broken;

    public ImageCommandTests()
    {
        _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        _folder.Save("b.lvm", StreamSample.Hvm().ToArray(), ImageFolder.Pvh);
        (_whole, _broken) = (_folder["a.lvm"], _folder["b.lvm"]);
        using var file = File.OpenWrite(_broken);
        file.SetLength(file.Length - 1);
    }

    public void Dispose()
    {
        _lightvm.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Whole_images_are_a_table()
    {
        var run = _lightvm.Run("image", _whole);

        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Matches(@"^Name +Type +Mem +VCPUs +Xen +Saved +Size +State +File$", run.Lines[0]);
        Assert.Matches($@"^web1 +PV +4 +1 +4\.17\.4 +2026-03-0\d \d\d:06:07 +{new FileInfo(_whole).Length} +Whole +{_whole}$", run.Lines[1]);
    }

    [Fact]
    public void What_is_wrong_with_a_broken_one_is_an_error_and_a_row_all_the_same()
    {
        var run = _lightvm.Run("image", _broken, _whole);

        Assert.Equal(3, run.ExitCode);
        Assert.Matches($"^pvh1 .* Broken +{_broken}$", run.Lines[1]);
        Assert.Contains($"lightvm: '{_broken}' is no whole image: it has no trailer: it was cut off, or never completed", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_everything()
    {
        var run = _lightvm.Run("image", "--json", _whole, _broken);

        Assert.Equal((3, ""), (run.ExitCode, run.Error));
        var (whole, broken) = (run.Json[0], run.Json[1]);
        Assert.Equal("Whole", whole.GetProperty("state").GetString());
        Assert.Equal(JsonValueKind.Null, whole.GetProperty("problem").ValueKind);
        Assert.Equal("00:16:3e:00:00:01", whole.GetProperty("config").GetProperty("vifs")[0].GetProperty("mac").GetString());
        Assert.Equal("stream", whole.GetProperty("parts")[3].GetProperty("name").GetString());
        Assert.True(whole.GetProperty("parts")[3].GetProperty("fits").GetBoolean());
        Assert.Equal("ImageInvalid", broken.GetProperty("id").GetString());
        Assert.Equal("pvh1", broken.GetProperty("name").GetString());
    }

    [Fact]
    public void A_file_that_is_not_there_does_not_keep_the_others_from_being_shown()
    {
        var run = _lightvm.Run("image", "/nonexistent.lvm", _whole);

        Assert.Equal(4, run.ExitCode);
        Assert.Contains("web1", run.Output, StringComparison.Ordinal);
        Assert.Contains("'/nonexistent.lvm' does not exist", run.Error, StringComparison.Ordinal);
    }
}
