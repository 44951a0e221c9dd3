using System.Globalization;
using System.Text;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>This host, for real.</summary>
internal sealed class NoxsHost : INoxsHost, IDisposable
{
    private const string Heading = "lightvm-noxsd 1";

    private readonly IHypervisor _hypervisor;
    private readonly IReadOnlyList<Worker> _workers;
    private readonly Dictionary<IWorker, NetFrames> _frames;
    private readonly string _notes;
    private readonly DaemonLog _log;
    private readonly Dictionary<IWorker, DiskBuffers> _buffers;
    private readonly LinuxDevices _devices = new();
    private readonly LateWork _late;
    private readonly ConsoleOutput _consoles;
    private int _next;

    /// <param name="notes">The folder of notes, which is there.</param>
    /// <param name="consoleLogs">Where guests' consoles are logged; null for nowhere.</param>
    public NoxsHost(IHypervisor hypervisor, IReadOnlyList<Worker> workers, string notes, string? consoleLogs, DaemonLog log)
    {
        _hypervisor = hypervisor;
        _workers = workers;
        _frames = workers.ToDictionary(worker => (IWorker)worker, _ => new NetFrames());
        _buffers = workers.ToDictionary(worker => (IWorker)worker, _ => new DiskBuffers());
        _notes = notes;
        _log = log;
        _late = new LateWork(log);
        _consoles = new ConsoleOutput(domain => _hypervisor.FindDomain(domain)?.Key.Uuid, consoleLogs, log);
    }

    /// <summary>What this does in its own time.</summary>
    public IDaemonTask Late => _late;

    public IConsoleOutput ConsoleOutput => _consoles;

    public bool Exists(ushort domain) => _hypervisor.FindDomain(domain) is { State: not DomainState.Dying };

    public IWorker ChooseWorker() => _workers[(int)((uint)Interlocked.Increment(ref _next) % (uint)_workers.Count)];

    public NetFrames FramesOf(IWorker worker) => _frames[worker];

    public IDisk OpenDisk(in VbdSettings settings, int process) => HostDisk.Open(settings, process, _devices);

    public IDisk ReopenDisk(in VbdSettings settings, DiskIdentity identity, string path) => HostDisk.Reopen(settings, path, identity, _devices);

    public IDiskThreads DiskThreads { get; } = new DiskThreads();

    public DiskBuffers BuffersOf(IWorker worker) => _buffers[worker];

    public bool IsBridge(string name) => NetworkInterfaces.IsBridge(name);

    public void MakeInterface(ushort domain, string name, string? bridge, Action<ITap> done, Action<LvmException> failed) => _late.Add(domain, () =>
    {
        try
        {
            var tap = Tap.Open(name);
            try
            {
                _devices.AttachInterface(name, bridge);
            }
            catch
            {
                tap.Close();
                throw;
            }

            done(tap);
        }
        catch (LvmException error)
        {
            failed(error);
        }
    });

    public void RemoveInterface(ushort domain, string name)
    {
        _late.Add(domain, () => Tap.Remove(name));
        _late.Hurry(domain);
    }

    public void Later(ushort domain, Action work) => _late.Add(domain, work);

    public void Hurry(ushort domain) => _late.Hurry(domain);

    public string InputOf(ushort domain) => NoxsFiles.InputOf(domain);

    public void Note(ushort domain, IWorker worker, IReadOnlyList<DeviceRecord> devices)
    {
        var path = NoteOf(domain);
        if (devices.Count == 0)
        {
            _ = Libc.Unlink(path);
            return;
        }

        var text = new StringBuilder(Heading).Append('\n').Append(CultureInfo.InvariantCulture, $"{((Worker)worker).Number}\n");
        foreach (var device in devices) text.Append(device.Write()).Append('\n');
        if (RunFile.Write(path, Encoding.ASCII.GetBytes(text.ToString())) is not 0 and var errno)
            throw new LvmException(ErrorIds.HostFileFailure, $"'{path}' cannot be written") { Errno = errno };
    }

    /// <summary>Takes over what an earlier daemon has noted, as far as its domains are there, and forgets the rest.</summary>
    /// <param name="hasFiles">Whether the files are the earlier daemon's: else all is lost but consoles, whose pages and ports are the guests'.</param>
    public void TakeOver(NoxsService service, bool hasFiles)
    {
        var kept = new HashSet<string>(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(_notes, "domain-*"))
        {
            if (!ushort.TryParse(Path.GetFileName(path).AsSpan("domain-".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var domain)) continue;
            var records = Read(path, out var number);
            if (records is null || number >= _workers.Count) _log.Error($"'{path}' is damaged: the devices of domain {domain} are lost");
            else TakeOver(service, domain, _workers[number], records, hasFiles, kept);
            service.Note(domain);
        }

        foreach (var name in Tap.OfGuests().Where(name => !kept.Contains(name))) RemoveInterface(0, name);
        foreach (var path in Directory.EnumerateFiles(_notes, "input-*"))
        {
            if (ushort.TryParse(Path.GetFileName(path).AsSpan("input-".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var domain) && !File.Exists(NoteOf(domain))) _ = Libc.Unlink(path);
        }
    }

    public void Dispose()
    {
        _late.Dispose();
        _devices.Dispose();
        _consoles.Dispose();
        foreach (var frames in _frames.Values) frames.Dispose();
        foreach (var buffers in _buffers.Values) buffers.Dispose();
    }

    private string NoteOf(ushort domain) => Path.Combine(_notes, string.Create(CultureInfo.InvariantCulture, $"domain-{domain}"));

    private void TakeOver(NoxsService service, ushort domain, Worker worker, List<DeviceRecord> records, bool hasFiles, HashSet<string> kept)
    {
        var exists = Exists(domain);
        if (!exists) _ = Libc.Unlink(NoteOf(domain));
        foreach (var record in records)
        {
            uint[] ports = [record.Port, record.First.Local, record.Second.Local];
            if (exists && hasFiles)
            {
                if (service.Adopt(domain, worker, record, each => worker.XenAccess.Adopt(each.Page, each.Grant)))
                {
                    foreach (var port in ports.Where(port => port != 0)) worker.Unmask(port);
                    if (record.Type == DeviceType.Vif) kept.Add(VifDevice.NameOf(domain, record.Id));
                    continue;
                }
            }
            else if (exists && record.Type == DeviceType.Console && service.Adopt(domain, worker, record with { Port = 0 }, _ => null))
            {
                continue;
            }

            if (exists) _log.Error($"{record.Type.ToString().ToLowerInvariant()} {record.Id} of domain {domain} is lost: its pages and event channels went with the daemon that had them");
            if (!hasFiles) continue;
            foreach (var port in ports.Distinct()) worker.XenAccess.ClosePort(port);
            if (record.Type != DeviceType.Console && worker.XenAccess.Adopt(record.Page, record.Grant) is { } page) worker.XenAccess.Unshare(page);
        }
    }

    private static List<DeviceRecord>? Read(string path, out int worker)
    {
        worker = int.MaxValue;
        var lines = Encoding.ASCII.GetString(RunFile.Read(path) ?? []).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length < 2 || lines[0] != Heading || !int.TryParse(lines[1], NumberStyles.None, CultureInfo.InvariantCulture, out worker)) return null;
        var records = new List<DeviceRecord>();
        foreach (var line in lines.Skip(2))
        {
            if (DeviceRecord.Read(line) is not { } record) return null;
            records.Add(record);
        }

        return records;
    }
}
