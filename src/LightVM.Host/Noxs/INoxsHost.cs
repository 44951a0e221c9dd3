using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>What the backend needs beside Xen's pages and ports: domains, interfaces, disks, and what it notes for the next one.</summary>
internal interface INoxsHost
{
    /// <summary>Whether a domain is there, and not about to go.</summary>
    bool Exists(ushort domain);

    /// <summary>The worker for another domain.</summary>
    IWorker ChooseWorker();

    /// <summary>Room for frames at a worker.</summary>
    NetFrames FramesOf(IWorker worker);

    bool IsBridge(string name);

    /// <summary>Does something for a domain in its own time, on another thread, after what was asked for it before.</summary>
    void Later(ushort domain, Action work);

    /// <summary>Somebody waits for what is being done for a domain.</summary>
    void Hurry(ushort domain);

    /// <summary>Makes an interface and puts it on its bridge, in its own time, and tells on another thread how that ended.</summary>
    void MakeInterface(ushort domain, string name, string? bridge, Action<ITap> done, Action<LvmException> failed);

    /// <summary>Removes an interface, on another thread.</summary>
    void RemoveInterface(ushort domain, string name);

    /// <summary>Opens what a disk is to be. Errors: DiskNotFound, DiskInvalid, DiskInUse, each with an errno.</summary>
    /// <param name="process">Who asks for it: a file is given as a descriptor of that process's.</param>
    IDisk OpenDisk(in VbdSettings settings, int process);

    /// <summary>Opens what an earlier daemon had open. Errors: as above.</summary>
    IDisk ReopenDisk(in VbdSettings settings, DiskIdentity identity, string path);

    IDiskThreads DiskThreads { get; }

    /// <summary>Room for what disks of a worker read and write.</summary>
    DiskBuffers BuffersOf(IWorker worker);

    IConsoleOutput ConsoleOutput { get; }

    string InputOf(ushort domain);

    /// <summary>Notes a domain's devices; none for a domain that has none any more.</summary>
    void Note(ushort domain, IWorker worker, IReadOnlyList<DeviceRecord> devices);
}
