using System.Runtime.InteropServices;
using System.Text.Json;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Services;

namespace LightVM.Pools;

/// <summary>
/// Records of shells in /run: in <c>shells</c> while they are made and wait, in <c>shells-claimed</c> from the moment on in which somebody
/// has them. The kernel renames a file once: that makes sure that a shell is used once.
/// </summary>
internal sealed class RunShellRecords : IShellRecords
{
    private static readonly RunRecords<ShellRecord> Waiting = new("shells", Write, Read);
    private static readonly RunRecords<ShellRecord> Claimed = new("shells-claimed", Write, path => Read(path) is { } shell ? shell with { State = ShellState.Claimed } : null);
    private static readonly RunRecords<FrameList> Frames = new("shells-frames", FrameList.Write, FrameList.Read);

    /// <summary>Whether a shell was ever made here, since the machine was started.</summary>
    public static bool IsThere => Directory.Exists(Waiting.Folder);

    /// <summary>Tells of shells that begin to wait, or come further on the way to it, and of those that wait no more. Errors: HostFileFailure.</summary>
    /// <param name="isOfArrivals">Whether it tells only of the former.</param>
    public static FolderWatch WatchWaiting(bool isOfArrivals = false) => Waiting.Watch(isOfArrivals);

    /// <summary>Tells of shells that somebody has taken, and of those of them that are none any more. Errors: HostFileFailure.</summary>
    public static FolderWatch WatchClaimed() => Claimed.Watch();

    /// <summary>A shell that nobody has taken yet; null for none.</summary>
    public static ShellRecord? FindWaiting(Guid uuid) => Waiting.Find(uuid);

    public static IReadOnlyList<ShellRecord> ListWaiting() => [.. Waiting.All().Select(entry => entry.Record)];

    public bool IsWaiting(Guid uuid) => File.Exists(Waiting.PathOf(uuid));

    public IReadOnlyList<Guid> ListClaimed() => Claimed.List();

    public void Save(ShellRecord shell)
    {
        if (shell.State == ShellState.Claimed)
        {
            Claimed.Save(shell.Uuid, shell);
            return;
        }

        _ = RunFolder.FileIn("shells-claimed", "."); // there when it is needed
        Waiting.Save(shell.Uuid, shell);
    }

    public bool TryClaim(Guid uuid)
    {
        if (Libc.Rename(Waiting.PathOf(uuid), Claimed.PathOf(uuid)) == 0) return true;
        var errno = Marshal.GetLastPInvokeError();
        return errno == ErrnoText.ENOENT ? false : throw new LvmException(ErrorIds.HostFileFailure, $"the record '{Waiting.PathOf(uuid)}' cannot be renamed") { Errno = errno };
    }

    public void Commit(Guid uuid)
    {
        // One call and nothing around it: a guest waits for this.
        if (Libc.Unlink(Claimed.PathOf(uuid)) != 0) Claimed.Remove(uuid);
    }

    public void Remove(Guid uuid)
    {
        // The frames last: nobody finds them without the record.
        Waiting.Remove(uuid);
        Claimed.Remove(uuid);
        Frames.Remove(uuid);
    }

    public ShellRecord? Find(Guid uuid) => Claimed.Find(uuid) ?? Waiting.Find(uuid);

    public IReadOnlyList<ShellRecord> List()
    {
        foreach (var stray in Frames.List().Where(uuid => Find(uuid) is null)) Frames.Remove(stray);
        return [.. Claimed.All().Select(entry => entry.Record), .. Waiting.All().Select(entry => entry.Record)];
    }

    public void SaveFrames(Guid uuid, IReadOnlyList<FrameRun> frames) => Frames.Save(uuid, new FrameList(frames));

    public IReadOnlyList<FrameRun> TakeFrames(Guid uuid)
    {
        var frames = Frames.Find(uuid)?.Runs ?? [];
        Frames.Remove(uuid);
        return frames;
    }

    private static byte[] Write(ShellRecord shell) => PoolJson.Document(json => PoolJson.Write(json, shell));

    private static ShellRecord? Read(string path) => PoolJson.ReadFile(path, PoolJson.ReadShell);

    private sealed record FrameList(IReadOnlyList<FrameRun> Runs)
    {
        public static byte[] Write(FrameList list) => PoolJson.Document(json =>
        {
            json.WriteStartArray("frames");
            foreach (var run in list.Runs)
            {
                json.WriteNumberValue(run.First);
                json.WriteNumberValue(run.Count);
            }

            json.WriteEndArray();
        });

        public static FrameList? Read(string path) => PoolJson.ReadFile(path, root =>
        {
            var numbers = DaemonProtocol.Array(root, "frames").Select(number => number.ValueKind == JsonValueKind.Number && number.TryGetUInt64(out var value) ? value : throw DaemonProtocol.Invalid("'frames' must be numbers")).ToArray();
            return new FrameList(numbers.Chunk(2).Where(pair => pair.Length == 2).Select(pair => new FrameRun(pair[0], pair[1])).ToArray());
        });
    }
}
