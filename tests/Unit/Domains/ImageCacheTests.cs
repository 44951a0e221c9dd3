using LightVM.Domains;
using LightVM.Errors;
using LightVM.Simulation;

namespace LightVM.Unit.Domains;

public sealed class ImageCacheTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-images-").FullName;
    private readonly ImageCache _cache = new();

    private string Kernel => Path.Combine(_folder, "kernel");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Of_many_who_want_a_file_at_once_one_reads_it_and_all_have_the_same()
    {
        File.WriteAllBytes(Kernel, SimulatedKernel.Create());
        using var start = new Barrier(8);
        var images = new (byte[] Bytes, KernelImage Image)[8];
        var threads = Enumerable.Range(0, images.Length).Select(number => new Thread(() =>
        {
            start.SignalAndWait();
            images[number] = _cache.LoadKernel(Kernel);
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());

        Assert.Equal(1, _cache.Reads);
        Assert.All(images, image => Assert.Same(images[0].Bytes, image.Bytes));
        Assert.All(images, image => Assert.Same(images[0].Image, image.Image));
    }

    [Fact]
    public void A_file_that_was_changed_is_read_again()
    {
        File.WriteAllBytes(Kernel, SimulatedKernel.Create());
        var before = _cache.LoadKernel(Kernel).Bytes;
        File.WriteAllBytes(Kernel, [.. SimulatedKernel.Create(), 0]);

        Assert.Equal(before.Length + 1, _cache.LoadKernel(Kernel).Bytes.Length);
        Assert.Equal(2, _cache.Reads);
    }

    [Fact]
    public void A_file_that_cannot_be_read_keeps_nobody_waiting()
    {
        Directory.CreateDirectory(Kernel);
        for (var time = 0; time < 2; time++) Assert.Equal(ErrorIds.RamdiskUnreadable, Assert.Throws<LvmException>(() => _cache.LoadRamdisk(Kernel)).ErrorId);
        Directory.Delete(Kernel);
        File.WriteAllText(Kernel, "now");
        Assert.Equal(3, _cache.LoadRamdisk(Kernel).Length);
    }
}
