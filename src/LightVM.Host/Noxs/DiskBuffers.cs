using System.Runtime.InteropServices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>Room for what is read and written, for all disks of a worker: that bounds what its guests can have of the host's memory. Used under the worker's lock.</summary>
internal sealed unsafe class DiskBuffers : IDisposable
{
    /// <summary>Bytes of the largest request.</summary>
    public const int Size = VbdRequest.MostSegments * DevicePage.Size;

    private const int Count = 4 * VbdDevice.Slots;

    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Count * Size, DevicePage.Size); // what nobody needs costs nothing
    private readonly Stack<IntPtr> _free = new(Count);
    private readonly Queue<IEventTarget> _waiting = [];

    public DiskBuffers()
    {
        for (var i = Count - 1; i >= 0; i--) _free.Push((IntPtr)(_memory + (long)i * Size));
    }

    /// <summary>For the copies of as many requests as one disk has.</summary>
    public GrantCopy[] Copies { get; } = new GrantCopy[VbdDevice.Slots * VbdRequest.MostSegments];

    public int Free => _free.Count;

    /// <summary>Zero where there is none: then the target has a turn when there is one again.</summary>
    public IntPtr Take(IEventTarget target)
    {
        if (_free.TryPop(out var buffer)) return buffer;
        if (!_waiting.Contains(target)) _waiting.Enqueue(target);
        return 0;
    }

    public void GiveBack(IntPtr buffer, IWorker worker)
    {
        _free.Push(buffer);
        // All of them: who is woken may need none any more.
        while (_waiting.TryDequeue(out var next)) worker.Again(next);
    }

    /// <summary>What a thread still reads into stays, until the process ends.</summary>
    public void Dispose()
    {
        if (_free.Count == Count) NativeMemory.AlignedFree(_memory);
    }
}
