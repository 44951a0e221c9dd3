using System.Text;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Images;
using LightVM.Unit.Configuration;

namespace LightVM.Unit.Images;

/// <summary>Images of our own, in files.</summary>
public sealed class ImageTests : IDisposable
{
    private readonly ImageFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_image_holds_what_was_put_into_it()
    {
        var stream = StreamSample.Pv().ToArray();
        var written = _folder.Save("a.lvm", stream);
        var path = _folder["a.lvm"];

        using var reader = ImageFolder.Open(path);

        Assert.Equal(ImageFolder.Config, reader.Config);
        Assert.Equal(stream, ReadToEnd(reader, stream.Length));
        Assert.Equal((GuestType.PV, 64, 5L), (reader.Stream.Type!.Value, reader.Stream.AddressSize, reader.Stream.PageCount));
        reader.Complete();
        Assert.Null(reader.Problem);
        Assert.Equal(Plain(written), Plain(reader.Image));
        Assert.Equal(Plain(written), Plain(ImageFolder.Describe(path)));
        Assert.Equal(written.Parts, reader.Image.Parts);
        Assert.Equal(("web1", ImageState.Whole, null), (written.Name, written.State, written.Problem));
        Assert.Equal((ImageFormat.LightVM, 2, "4.17.4", "host1", ImageFolder.Facts.SavedTime), (written.Format, written.FormatVersion, written.XenVersion, written.HostName, written.SavedTime));
        Assert.Equal(new FileInfo(path).Length, written.Length);
        Assert.Equal(["header", "config", "info", "stream", "trailer"], written.Parts.Select(part => part.Name));
    }

    [Fact]
    public void The_stream_lies_in_one_piece_at_a_multiple_of_64_where_verify_stream_finds_it()
    {
        var stream = StreamSample.Hvm().ToArray();
        var part = _folder.Save("a.lvm", stream, ImageFolder.Pvh).Parts[^2];
        Assert.Equal(0, part.Offset % 64);
        Assert.Equal(stream, File.ReadAllBytes(_folder["a.lvm"]).AsSpan((int)part.Offset, (int)part.Length));
    }

    [Fact]
    public void Any_configuration_and_any_size_survives() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll((from config in ConfigGenerators.Config from pages in Gen.Choose(1, 200) select (config, pages)).ToArbitrary(), test =>
        {
            var (config, pages) = test;
            var stream = (config.Type == GuestType.PV ? StreamSample.Pv(pages, addressSize: config.AddressSize) : StreamSample.Hvm(pages)).ToArray();
            _folder.Save("a.lvm", stream, config);
            using var reader = ImageFolder.Open(_folder["a.lvm"]);
            using var piped = ImageReader.FromStream(new MemoryStream(File.ReadAllBytes(_folder["a.lvm"])));
            var isSame = reader.Config == config && piped.Config == config && ReadToEnd(reader, stream.Length).AsSpan().SequenceEqual(stream) && ReadToEnd(piped, stream.Length).AsSpan().SequenceEqual(stream);
            piped.Complete();
            return isSame;
        }));

    [Fact]
    public void A_configuration_beyond_64_KiB_fits()
    {
        var draft = ImageFolder.Config.ToDraft();
        draft.Vbds = Enumerable.Range(0, 16).Select(i => new DiskConfig("/" + new string('x', 4094), DiskType.File, $"d{i}p0", DiskAccess.ReadOnly)).ToArray();
        draft.Ramdisk = "/" + new string('y', 4094);
        var config = DomainConfig.From(draft);
        Assert.True(DomainConfigJson.Write(config).Length > 65536);

        _folder.Save("a.lvm", StreamSample.Pv().ToArray(), config);

        Assert.Equal(config, ImageFolder.Describe(_folder["a.lvm"]).Config);
    }

    [Fact]
    public void Nothing_is_left_of_one_that_was_not_completed()
    {
        _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        var before = File.ReadAllBytes(_folder["a.lvm"]);
        using (var writer = ImageWriter.ToFile(_folder["a.lvm"], ImageFolder.Pvh, ImageFolder.Facts, overwrite: true))
        {
            ImageFolder.WriteAsLibxc(writer.Handle, StreamSample.Hvm().ToArray());
            Assert.Single(Directory.GetFiles(_folder.Path)); // whoever is killed now leaves nothing
        }

        Assert.Equal([_folder["a.lvm"]], Directory.GetFiles(_folder.Path));
        Assert.Equal(before, File.ReadAllBytes(_folder["a.lvm"]));
    }

    [Fact]
    public void It_replaces_what_has_its_name_only_when_asked_to()
    {
        _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        Assert.Equal(ErrorIds.ImageExists, Refused(() => ImageWriter.ToFile(_folder["a.lvm"], ImageFolder.Pvh, ImageFolder.Facts, overwrite: false)).ErrorId);
        Assert.Equal("web1", ImageFolder.Describe(_folder["a.lvm"]).Name);

        File.CreateSymbolicLink(_folder["link.lvm"], _folder["a.lvm"]);
        using (var writer = ImageWriter.ToFile(_folder["link.lvm"], ImageFolder.Pvh, ImageFolder.Facts, overwrite: true))
        {
            ImageFolder.WriteAsLibxc(writer.Handle, StreamSample.Hvm().ToArray());
            writer.Complete(TestContext.Current.CancellationToken);
        }

        Assert.NotNull(new FileInfo(_folder["link.lvm"]).LinkTarget);
        Assert.Equal("pvh1", ImageFolder.Describe(_folder["a.lvm"]).Name);
    }

    [Fact]
    public void It_does_not_replace_what_came_in_the_meantime()
    {
        using var writer = ImageWriter.ToFile(_folder["a.lvm"], ImageFolder.Config, ImageFolder.Facts, overwrite: false);
        ImageFolder.WriteAsLibxc(writer.Handle, StreamSample.Pv().ToArray());
        File.WriteAllText(_folder["a.lvm"], "somebody else's");
        Assert.Equal(ErrorIds.ImageExists, Refused(() => writer.Complete(TestContext.Current.CancellationToken)).ErrorId);
        Assert.Equal("somebody else's", File.ReadAllText(_folder["a.lvm"]));
    }

    [Fact]
    public void Only_its_owner_may_read_it()
    {
        File.WriteAllText(_folder["a.lvm"], "");
        File.SetUnixFileMode(_folder["a.lvm"], (UnixFileMode)0x1b6);
        using var writer = ImageWriter.ToFile(_folder["a.lvm"], ImageFolder.Config, ImageFolder.Facts, overwrite: true);
        ImageFolder.WriteAsLibxc(writer.Handle, StreamSample.Pv().ToArray());
        writer.Complete(TestContext.Current.CancellationToken);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["a.lvm"]));
    }

    [Fact]
    public void What_libxc_did_not_write_to_its_end_or_beyond_it_becomes_no_image()
    {
        var stream = StreamSample.Pv().ToArray();
        foreach (var wrong in new byte[][] { [], stream[..^8], [.. stream, 0], [.. stream, .. stream], [.. stream[..100], .. stream[108..]] })
        {
            using var writer = ImageWriter.ToFile(_folder["a.lvm"], ImageFolder.Config, ImageFolder.Facts, overwrite: true);
            ImageFolder.WriteAsLibxc(writer.Handle, wrong);
            Assert.Equal(ErrorIds.StreamInvalid, Refused(() => writer.Complete(TestContext.Current.CancellationToken)).ErrorId);
        }

        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Theory]
    [InlineData("/nonexistent/a.lvm")]
    [InlineData("/dev/null")]
    [InlineData("/proc/a.lvm")]
    [InlineData("/tmp")]
    [InlineData("")]
    public void Where_nothing_can_be_written_that_is_said(string path) =>
        Assert.Equal(ErrorIds.HostFileFailure, Refused(() => ImageWriter.ToFile(path, ImageFolder.Config, ImageFolder.Facts, overwrite: true)).ErrorId);

    [Fact]
    public void A_cancelled_one_is_given_up()
    {
        using (var writer = ImageWriter.ToFile(_folder["a.lvm"], ImageFolder.Config, ImageFolder.Facts, overwrite: true))
        {
            ImageFolder.WriteAsLibxc(writer.Handle, StreamSample.Pv().ToArray());
            Assert.Equal(ErrorIds.OperationCancelled, Refused(() => writer.Complete(new CancellationToken(true))).ErrorId);
        }

        Assert.Empty(Directory.GetFiles(_folder.Path));
        _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        Assert.Equal(ErrorIds.OperationCancelled, Refused(() => ImageReader.Describe(_folder["a.lvm"], new CancellationToken(true))).ErrorId);
    }

    [Fact]
    public void One_that_is_cut_off_anywhere_is_refused()
    {
        var stream = StreamSample.Pv();
        var image = _folder.Save("a.lvm", stream.ToArray());
        var whole = File.ReadAllBytes(_folder["a.lvm"]);
        var boundaries = image.Parts.SelectMany(part => new[] { part.Offset, part.Offset + part.Length }).Concat(stream.Boundaries.Select(at => image.Parts[^2].Offset + at)).ToList();
        foreach (var length in boundaries.SelectMany(at => new[] { at - 1, at, at + 1 }).Concat(Enumerable.Range(0, 200).Select(i => i * whole.Length / 200L)).Where(at => at >= 0 && at < whole.Length).Distinct())
        {
            AssertBroken(whole[..(int)length], $"cut off at {length}");
        }
    }

    [Fact]
    public void One_with_more_behind_it_is_refused()
    {
        _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        var whole = File.ReadAllBytes(_folder["a.lvm"]);
        AssertBroken([.. whole, 0], "one byte more", isPiped: false);
        AssertBroken([.. whole, .. whole], "twice", isPiped: false);
        AssertBroken([.. whole[..^160], .. new byte[8], .. whole[^160..]], "something before the trailer");
    }

    /// <summary>Every bit of what is not memory, and as many elsewhere that there are 1,000 places and more.</summary>
    [Fact]
    public void One_with_a_single_bit_changed_is_refused()
    {
        var image = _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        var whole = File.ReadAllBytes(_folder["a.lvm"]);
        var bits = Enumerable.Range(0, (int)image.Parts[^2].Offset * 8)
            .Concat(Enumerable.Range((whole.Length - 160) * 8, 160 * 8))
            .Concat(Enumerable.Range(0, 1000).Select(i => (int)(i * 8L * whole.Length / 1000) + i % 8));
        foreach (var bit in bits)
        {
            whole[bit / 8] ^= (byte)(1 << bit % 8);
            AssertBroken(whole, $"bit {bit}", isPiped: bit % 16 == 3);
            whole[bit / 8] ^= (byte)(1 << bit % 8);
        }

        using var unchanged = ImageReader.FromStream(new MemoryStream(whole));
        ReadToEnd(unchanged, int.MaxValue);
        unchanged.Complete();
    }

    [Fact]
    public void A_broken_one_tells_which_part_and_still_what_it_knows()
    {
        var image = _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        var whole = File.ReadAllBytes(_folder["a.lvm"]);
        var stream = (int)image.Parts[^2].Offset;

        var damaged = Broken(whole, stream + 9000);
        Assert.Equal("the checksum of its stream differs: it was damaged", damaged.Problem);
        Assert.Equal(("web1", 4, 1, ErrorIds.ImageInvalid), (damaged.Name, damaged.MemoryMiB, damaged.VcpuCount, damaged.ErrorId));
        Assert.Equal([true, true, true, false, true], damaged.Parts.Select(part => part.Fits));

        damaged = Broken(whole, 100);
        Assert.Equal("the checksum of its config differs: it was damaged", damaged.Problem);
        Assert.Null(damaged.Name);
        Assert.Equal([true, false, true], damaged.Parts.Select(part => part.Fits));

        Assert.Equal("the checksum of its header differs: it was damaged", Broken(whole, 20).Problem);
        Assert.Equal("the checksum of its info differs: it was damaged", Broken(whole, (int)image.Parts[2].Offset).Problem);
        Assert.Equal("the padding before its stream was changed", Broken(whole, stream - 1).Problem);
        Assert.Equal("the checksum of its trailer differs: it was damaged", Broken(whole, whole.Length - 100).Problem);
        Assert.Equal("it has no trailer: it was cut off, or never completed", Broken(whole, whole.Length - 10).Problem);
        Assert.Equal((ErrorIds.ImageUnsupported, "its format has version 3, and 1 and 2 are known"), (Broken(whole, 2).ErrorId, Broken(whole, 2).Problem));
        Assert.Equal("it is empty", Broken([]).Problem);
        Assert.Equal("it begins like no image that is known: neither of LightVM, nor of Chaos, nor of xl", Broken("#!/bin/sh\necho"u8.ToArray()).Problem);
        Assert.Equal(ErrorIds.ImageUnsupported, Broken(StreamSample.Pv().ToArray()).ErrorId);
        Assert.Null(Broken([]).Format);

        DomainImage Broken(byte[] bytes, int at = -1)
        {
            bytes = [.. bytes];
            if (at >= 0) bytes[at] ^= 1;
            File.WriteAllBytes(_folder["b.lvm"], bytes);
            var described = ImageFolder.Describe(_folder["b.lvm"]);
            Assert.Equal(ImageState.Broken, described.State);
            return described;
        }
    }

    [Fact]
    public void The_guest_type_of_configuration_and_memory_must_be_one_and_the_width_is_that_of_the_memory()
    {
        _folder.Save("a.lvm", StreamSample.Hvm().ToArray());
        Assert.Equal("its configuration is of a PV guest and its memory of a PVH guest", ImageFolder.Describe(_folder["a.lvm"]).Problem);
        Assert.Equal(ErrorIds.ImageInvalid, Refused(() => ImageFolder.Open(_folder["a.lvm"])).ErrorId);
        _folder.Save("a.lvm", StreamSample.Pv(addressSize: 32).ToArray());
        Assert.Equal(32, ImageFolder.Describe(_folder["a.lvm"]).Config!.AddressSize);
    }

    [Theory]
    [InlineData(8, uint.MaxValue)]
    [InlineData(8, (1 << 20) + 1)]
    [InlineData(12, 65537)]
    [InlineData(12, uint.MaxValue)]
    [InlineData(16, 64)]
    [InlineData(4, 1)]
    [InlineData(44, 1)]
    public void What_a_header_claims_is_not_believed(int at, uint value)
    {
        _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        var bytes = File.ReadAllBytes(_folder["a.lvm"]);
        BitConverter.TryWriteBytes(bytes.AsSpan(at), value);
        BitConverter.TryWriteBytes(bytes.AsSpan(56), XxHash64.Of(bytes.AsSpan(0, 56)));
        AssertBroken(bytes, $"{value} at {at}");
    }

    [Fact]
    public void A_forged_configuration_is_refused_with_all_its_errors()
    {
        var text = """{"name":"a b","memory":0,"vcpus":1}"""u8;
        _folder.Save("a.lvm", StreamSample.Pv().ToArray());
        var head = ImageLayout.Head(text, ImageFolder.Facts, out var parts);
        var stream = StreamSample.Pv().ToArray();
        File.WriteAllBytes(_folder["a.lvm"], [.. head, .. stream, .. ImageLayout.Trailer([.. parts, new PartChecksum(head.Length, stream.Length, XxHash64.Of(stream))])]);

        var image = ImageFolder.Describe(_folder["a.lvm"]);

        Assert.Equal(ErrorIds.ImageInvalid, image.ErrorId);
        Assert.Contains("$.name", image.Problem, StringComparison.Ordinal);
        Assert.Contains("$.memory", image.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Info_for_a_terminal_to_obey_is_refused()
    {
        _folder.Save("a.lvm", StreamSample.Pv().ToArray(), facts: ImageFolder.Facts with { HostName = "\u001b[2J" });
        Assert.Equal("its info is not what it should be", ImageFolder.Describe(_folder["a.lvm"]).Problem);
    }

    [Theory]
    [InlineData("/nonexistent/a.lvm", ErrorIds.ImageNotFound)]
    [InlineData("/dev/null/a.lvm", ErrorIds.ImageNotFound)]
    [InlineData("", ErrorIds.ImageNotFound)]
    [InlineData("/tmp", ErrorIds.ImageUnreadable)]
    public void Files_that_cannot_be_read_are_errors(string path, string errorId)
    {
        Assert.Equal(errorId, Refused(() => ImageFolder.Open(path)).ErrorId);
        Assert.Equal(errorId, Refused(() => ImageFolder.Describe(path)).ErrorId);
    }

    [Fact]
    public void A_pipe_is_not_waited_for()
    {
        Assert.Equal(0, NamedPipes.Make(_folder["pipe"], 0x180));
        Assert.Equal(ErrorIds.ImageUnreadable, Refused(() => ImageFolder.Describe(_folder["pipe"])).ErrorId);
    }

    private void AssertBroken(byte[] bytes, string what, bool isPiped = true)
    {
        File.WriteAllBytes(_folder["broken.lvm"], bytes);
        var error = Record.Exception(() => ImageFolder.Open(_folder["broken.lvm"]).Dispose());
        Assert.True(error is LvmException { ErrorId: ErrorIds.ImageInvalid or ErrorIds.ImageUnsupported }, $"{what}: {error?.ToString() ?? "it was taken"}");
        var image = ImageFolder.Describe(_folder["broken.lvm"]);
        Assert.True(image is { State: ImageState.Broken, Problem.Length: > 0 } && image.Length == bytes.Length, what);
        if (!isPiped) return;

        error = Record.Exception(() =>
        {
            using var reader = ImageReader.FromStream(new MemoryStream(bytes));
            ReadToEnd(reader, int.MaxValue);
            reader.Complete();
        });
        Assert.True(error is LvmException { ErrorId: ErrorIds.ImageInvalid or ErrorIds.ImageUnsupported }, $"{what}, piped: {error?.ToString() ?? "it was taken"}");
    }

    private static byte[] ReadToEnd(ImageReader reader, int most) => ImageFolder.ReadAsLibxc(reader.Handle, most);

    private static LvmException Refused(Action work) => Assert.ThrowsAny<LvmException>(work);

    private static DomainImage Plain(DomainImage image) => image with { Parts = [] };
}
