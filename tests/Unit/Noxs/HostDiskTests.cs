using System.Runtime.InteropServices;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>A disk that is a file of this host.</summary>
public sealed unsafe class HostDiskTests : IDisposable
{
    private const int Size = 1 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-disks-").FullName;
    private readonly LinuxDevices _devices = new();
    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(4 * 4096, 4096);

    private string Image => Path.Combine(_folder, "disk.img");

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _devices.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void It_is_read_written_flushed_and_given_back_in_part()
    {
        var content = Make();
        using var opened = OpenedDisk.Open(Config(DiskAccess.ReadWrite));
        var disk = HostDisk.Open(opened.Settings, Environment.ProcessId, _devices);
        opened.Dispose(); // it has its own by now
        Assert.Equal(Image, disk.Path);
        Assert.Equal((Size / 512, 512u, false), ((int)disk.Shape.Sectors, disk.Shape.SectorSize, disk.Shape.IsReadOnly));

        Assert.Equal(0, disk.Read(Pieces(1024, 4096, 512), 512 * 7));
        var expected = content.AsSpan(512 * 7);
        Assert.True(Memory(0, 1024).SequenceEqual(expected[..1024]));
        Assert.True(Memory(1, 4096).SequenceEqual(expected[1024..5120]));
        Assert.True(Memory(2, 512).SequenceEqual(expected[5120..5632]));

        Memory(0, 4096).Fill(0xaa);
        Assert.Equal(0, disk.Write(Pieces(512), 512 * 9));
        Assert.Equal(0, disk.Flush());
        content.AsSpan(512 * 9, 512).Fill(0xaa);
        Assert.NotEqual(0, disk.Read(Pieces(4096), Size)); // behind its end
        var canDiscard = disk.Discard(8192, 4096) == 0;
        if (canDiscard) content.AsSpan(8192, 4096).Clear();
        disk.Close();
        Assert.Equal(content, File.ReadAllBytes(Image));
    }

    [Fact]
    public void One_writes_or_many_read()
    {
        Make();
        var writer = Open(DiskAccess.ReadWrite);
        Assert.Equal(ErrorIds.DiskInUse, Fails(() => Open(DiskAccess.ReadOnly)));
        Assert.Equal(ErrorIds.DiskInUse, Fails(() => _devices.Examine(Config(DiskAccess.ReadOnly)))); // as the device daemon looks at a disk
        writer.Close();
        var (one, another) = (Open(DiskAccess.ReadOnly), Open(DiskAccess.ReadOnly));
        _devices.Examine(Config(DiskAccess.ReadOnly));
        Assert.Equal(ErrorIds.DiskInUse, Fails(() => Open(DiskAccess.ReadWrite)));
        Assert.Equal(ErrorIds.DiskInUse, Fails(() => _devices.Examine(Config(DiskAccess.ReadWrite))));
        one.Close();
        another.Close();
        _devices.Examine(Config(DiskAccess.ReadWrite));
    }

    [Fact]
    public void It_is_found_again_unless_it_is_another_one()
    {
        Make();
        var disk = Open(DiskAccess.ReadWrite);
        var settings = new VbdSettings { Type = VbdType.File, Mode = VbdMode.ReadWrite };
        disk.Close();
        var note = VbdNote.Write(settings, disk);
        Assert.True(VbdNote.TryRead(note, out var noted, out var identity, out var path));
        Assert.Equal((settings, disk.Identity, Image), (noted, identity, path));
        for (var length = 0; length < 32; length++) Assert.False(VbdNote.TryRead(note.AsSpan(0, length), out _, out _, out _));
        HostDisk.Reopen(settings, path, identity, _devices).Close();

        File.Move(Image, Image + ".old");
        Assert.Equal(ErrorIds.DiskNotFound, Fails(() => HostDisk.Reopen(settings, path, identity, _devices)));
        Make();
        Assert.Equal(ErrorIds.DiskNotFound, Fails(() => HostDisk.Reopen(settings, path, identity, _devices)));
    }

    [Fact]
    public void What_is_no_disk_is_refused()
    {
        Assert.Equal(ErrorIds.DiskNotFound, Fails(() => OpenedDisk.Open(Config(DiskAccess.ReadOnly))));
        File.WriteAllBytes(Image, []);
        Assert.Equal(ErrorIds.DiskInvalid, Fails(() => OpenedDisk.Open(Config(DiskAccess.ReadOnly))));
        foreach (var target in (string[])[_folder, "/dev/null"])
        {
            Assert.Equal(ErrorIds.DiskInvalid, Fails(() => OpenedDisk.Open(new DiskConfig(target, DiskType.File, "xvda", DiskAccess.ReadOnly))));
            Assert.Equal(ErrorIds.DiskInvalid, Fails(() => OpenedDisk.Open(new DiskConfig(target, DiskType.Phy, "xvda", DiskAccess.ReadOnly))));
        }

        Assert.Equal(ErrorIds.DiskNotFound, Fails(() => OpenedDisk.Open(new DiskConfig("/dev/nothing", DiskType.Phy, "xvda", DiskAccess.ReadOnly))));
        Assert.Equal(ErrorIds.DiskNotFound, Fails(() => HostDisk.Open(new VbdSettings { Type = VbdType.File, Mode = VbdMode.ReadOnly, Minor = 99999 }, Environment.ProcessId, _devices)));
        Assert.Equal(ErrorIds.DiskNotFound, Fails(() => HostDisk.Open(new VbdSettings { Type = VbdType.Physical, Mode = VbdMode.ReadOnly, Major = 4095 }, Environment.ProcessId, _devices)));
    }

    [Fact]
    public void Threads_come_as_they_are_needed_and_do_all_there_is()
    {
        var threads = new DiskThreads();
        using var all = new CountdownEvent(500);
        using var gate = new ManualResetEventSlim();
        var together = 0;
        for (var i = 0; i < 500; i++)
        {
            threads.Add(new Work(() =>
            {
                if (Interlocked.Increment(ref together) == 8) gate.Set();
                gate.Wait(TestContext.Current.CancellationToken); // eight wait for each other: there have to be as many
                all.Signal();
            }));
        }

        Assert.True(all.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
    }

    private static string Fails(Action action) => Assert.Throws<LvmException>(action).ErrorId;

    private byte[] Make()
    {
        var content = new byte[Size];
        Random.Shared.NextBytes(content);
        File.WriteAllBytes(Image, content);
        return content;
    }

    private DiskConfig Config(DiskAccess access) => new(Image, DiskType.File, "xvda", access);

    private HostDisk Open(DiskAccess access)
    {
        using var opened = OpenedDisk.Open(Config(access));
        return HostDisk.Open(opened.Settings, Environment.ProcessId, _devices);
    }

    private SystemCalls.Piece[] Pieces(params int[] lengths) => lengths.Select((length, i) => new SystemCalls.Piece { Start = _memory + i * 4096, Length = (nuint)length }).ToArray();

    private Span<byte> Memory(int page, int length) => new(_memory + page * 4096, length);

    private sealed class Work(Action action) : IDiskWork
    {
        public void Do() => action();
    }
}
