using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Unit.Domains;

public sealed class GuestImagesTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("lightvm-unit-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void The_first_folder_that_has_a_guest_counts()
    {
        var (own, package) = (Folder("own", "daytime.elf"), Folder("package", "daytime.elf", "idle.elf"));
        var images = new GuestImages([own, Path.Combine(_directory.FullName, "absent"), package]);

        Assert.Equal(Path.Combine(own, "daytime.elf"), images.Find("daytime"));
        Assert.Equal(Path.Combine(package, "idle.elf"), images.Find("idle"));
    }

    [Fact]
    public void The_names_are_those_of_all_folders_each_once_and_of_images_only() =>
        Assert.Equal(["daytime", "idle"], new GuestImages([Folder("own", "idle.elf"), Folder("package", "daytime.elf", "idle.elf", "COPYING.lwip")]).Names);

    [Fact]
    public void A_guest_that_is_not_there_is_told_with_the_names_that_are()
    {
        var folder = Folder("own", "daytime.elf", "idle.elf");
        var error = Assert.Throws<LvmException>(() => new GuestImages([folder]).Find("dytime"));

        Assert.Equal(ErrorIds.GuestNotFound, error.ErrorId);
        Assert.Contains("'dytime'", error.Message, StringComparison.Ordinal);
        Assert.Contains(folder, error.Message, StringComparison.Ordinal);
        Assert.Contains("daytime, idle", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_any_folder_no_guest_is_there()
    {
        var images = new GuestImages([Path.Combine(_directory.FullName, "absent")]);

        Assert.Empty(images.Names);
        Assert.Equal(ErrorIds.GuestNotFound, Assert.Throws<LvmException>(() => images.Find("idle")).ErrorId);
    }

    [Fact]
    public void A_name_leads_out_of_no_folder()
    {
        var images = new GuestImages([Folder("own")]);
        File.WriteAllText(Path.Combine(_directory.FullName, "secret.elf"), "");

        Assert.Equal(ErrorIds.GuestNotFound, Assert.Throws<LvmException>(() => images.Find("../secret")).ErrorId);
        Assert.Equal(ErrorIds.GuestNotFound, Assert.Throws<LvmException>(() => images.Find(Path.Combine(_directory.FullName, "secret"))).ErrorId);
    }

    private string Folder(string name, params string[] files)
    {
        var folder = _directory.CreateSubdirectory(name).FullName;
        foreach (var file in files) File.WriteAllText(Path.Combine(folder, file), "");
        return folder;
    }
}
