using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Unit.Configuration;

public sealed class DomainConfigFileTests : IDisposable
{
    private static readonly DomainConfig Config = ConfigSamples.Parse(ConfigSamples.Full);

    private readonly string directory = Directory.CreateTempSubdirectory("lightvm-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void What_is_written_can_be_read()
    {
        DomainConfigJson.WriteFile(Config, At("guest.json"), overwrite: false);
        Assert.Equal(Config, DomainConfigJson.ReadFile(At("guest.json")));
        Assert.Equal([At("guest.json")], Directory.GetFileSystemEntries(directory));
    }

    [Fact]
    public void An_invalid_file_is_named_in_the_message()
    {
        File.WriteAllText(At("guest.json"), "{}");
        var refused = Refused(ErrorIds.ConfigInvalid, () => DomainConfigJson.ReadFile(At("guest.json")));
        Assert.StartsWith(At("guest.json") + ": $.name (line 1, column 1): is missing", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("absent.json")]
    [InlineData("no/such/directory.json")]
    public void A_file_that_is_not_there_is_not_found(string name) => Refused(ErrorIds.ConfigNotFound, () => DomainConfigJson.ReadFile(At(name)));

    [Theory]
    [InlineData("")]
    [InlineData("a\0b")]
    public void What_cannot_be_a_path_is_not_found(string path) => Refused(ErrorIds.ConfigNotFound, () => DomainConfigJson.ReadFile(path));

    [Fact]
    public void A_directory_is_unreadable() =>
        Assert.Contains("is a directory", Refused(ErrorIds.ConfigUnreadable, () => DomainConfigJson.ReadFile(directory)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_without_permission_is_unreadable()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.UserName != "root", "Root may read everything.");
        File.WriteAllText(At("secret.json"), "{}");
        if (OperatingSystem.IsLinux()) File.SetUnixFileMode(At("secret.json"), UnixFileMode.None);
        Refused(ErrorIds.ConfigUnreadable, () => DomainConfigJson.ReadFile(At("secret.json")));
    }

    [Fact]
    public void A_file_that_fails_while_it_is_read_is_unreadable()
    {
        // Reading a process' memory from address 0 is an I/O error, for root, too.
        Assert.SkipUnless(File.Exists("/proc/self/mem"), "Needs /proc.");
        Refused(ErrorIds.ConfigUnreadable, () => DomainConfigJson.ReadFile("/proc/self/mem"));
    }

    [Fact]
    public void A_file_without_an_end_is_too_large_and_soon_so()
    {
        Assert.SkipUnless(File.Exists("/dev/zero"), "Needs /dev/zero.");
        var watch = Stopwatch.StartNew();
        Refused(ErrorIds.ConfigTooLarge, () => DomainConfigJson.ReadFile("/dev/zero"));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void An_empty_file_is_a_syntax_error()
    {
        File.WriteAllBytes(At("empty.json"), []);
        Refused(ErrorIds.ConfigSyntax, () => DomainConfigJson.ReadFile(At("empty.json")));
    }

    [Fact]
    public void A_file_of_1_MiB_is_read_and_a_byte_more_is_not()
    {
        var path = At("large.json");
        File.WriteAllText(path, ConfigSamples.Full.PadRight(1 << 20));
        Assert.Equal(Config, DomainConfigJson.ReadFile(path));

        File.AppendAllText(path, " ");
        Refused(ErrorIds.ConfigTooLarge, () => DomainConfigJson.ReadFile(path));
    }

    [Fact]
    public void An_existing_file_is_replaced_only_on_request_and_keeps_its_permissions()
    {
        var path = At("guest.json");
        File.WriteAllText(path, "old");
        const UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite;
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, mode);

        var refused = Refused(ErrorIds.ConfigNotWritable, () => DomainConfigJson.WriteFile(Config, path, overwrite: false));
        Assert.Contains("exists already", refused.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(path));

        DomainConfigJson.WriteFile(Config, path, overwrite: true);
        Assert.Equal(Config, DomainConfigJson.ReadFile(path));
        if (!OperatingSystem.IsWindows()) Assert.Equal(mode, File.GetUnixFileMode(path));
        Assert.Single(Directory.GetFileSystemEntries(directory));
    }

    [Fact]
    public void A_symbolic_link_stays_and_leads_to_the_new_file()
    {
        File.WriteAllText(At("real.json"), "old");
        File.CreateSymbolicLink(At("link.json"), "real.json");
        DomainConfigJson.WriteFile(Config, At("link.json"), overwrite: true);

        Assert.Equal("real.json", new FileInfo(At("link.json")).LinkTarget);
        Assert.Equal(Config, DomainConfigJson.ReadFile(At("real.json")));
    }

    [Fact]
    public void A_name_as_long_as_names_can_be_is_written()
    {
        var path = At(new string('n', 250) + ".json");
        DomainConfigJson.WriteFile(Config, path, overwrite: false);
        Assert.Equal(Config, DomainConfigJson.ReadFile(path));
    }

    [Theory]
    [InlineData("no/such/guest.json")]
    [InlineData("file/guest.json")]
    [InlineData("directory")]
    public void What_cannot_be_written_is_an_error_and_leaves_nothing_behind(string name)
    {
        File.WriteAllText(At("file"), "");
        Directory.CreateDirectory(At("directory"));
        Refused(ErrorIds.ConfigNotWritable, () => DomainConfigJson.WriteFile(Config, At(name), overwrite: true));
        Assert.Equal(2, Directory.GetFileSystemEntries(directory, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }).Length);
    }

    [Fact]
    public void A_device_file_is_not_replaced() =>
        Refused(ErrorIds.ConfigNotWritable, () => DomainConfigJson.WriteFile(Config, "/dev/null", overwrite: true));

    [Theory]
    [InlineData("")]
    [InlineData("a\0b")]
    public void What_cannot_be_a_path_is_not_writable(string path) =>
        Refused(ErrorIds.ConfigNotWritable, () => DomainConfigJson.WriteFile(Config, path, overwrite: true));

    private string At(string name) => Path.Combine(directory, name);

    private static InvalidConfigException Refused(string errorId, Action action)
    {
        var refused = Assert.Throws<InvalidConfigException>(action);
        Assert.Equal(errorId, refused.ErrorId);
        return refused;
    }
}
