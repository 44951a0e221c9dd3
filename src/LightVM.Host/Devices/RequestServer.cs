using System.Net.Sockets;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Services;

namespace LightVM.Host.Devices;

/// <summary>The daemon's socket (<see cref="DeviceDaemonProtocol"/>): requests and answers in JSON, as many as wanted on a connection.</summary>
internal sealed class RequestServer : LineServer
{
    /// <summary>Connections at a time. Each process that makes domains keeps one.</summary>
    public const int MaxClients = 256;

    private readonly DeviceService _service;
    private readonly Func<DeviceDaemonStatus> _status;

    public RequestServer(string path, PeerPolicy peers, DaemonLog log, DeviceService service, Func<DeviceDaemonStatus> status, int maxClients = MaxClients)
        : base(path, peers, log, "devices", maxClients)
    {
        _service = service;
        _status = status;
    }

    protected override byte[] Refusal(string reason, int errno) => DaemonProtocol.WriteError(ErrorIds.DeviceDaemonUnavailable, reason);

    // Disks may be slow to look at: not on the thread that reads for others.
    protected override ValueTask<byte[]?> Answer(Socket client, byte[] line, CancellationToken cancellation) => new(Task.Run(byte[]? () => Answer(line)));

    /// <summary>Does a request.</summary>
    internal byte[] Answer(byte[] line)
    {
        try
        {
            switch (DeviceDaemonProtocol.ReadRequest(line))
            {
                case DeviceDaemonRequest.Reserve reserve:
                    var macs = _service.Reserve(reserve.Uuid, reserve.Devices);
                    return DaemonProtocol.WriteOk(json => DeviceDaemonProtocol.WriteMacs(json, macs));
                case DeviceDaemonRequest.Release release:
                    _service.Release(release.Uuid, release.Devices);
                    break;
                case DeviceDaemonRequest.Status:
                    var status = _status();
                    return DaemonProtocol.WriteOk(json => DeviceDaemonProtocol.WriteStatus(json, status));
                case DeviceDaemonRequest.AttachDisk attach:
                    var (major, minor) = _service.AttachDisk(attach.Disk);
                    return DaemonProtocol.WriteOk(json =>
                    {
                        json.WriteNumber("major", major);
                        json.WriteNumber("minor", minor);
                    });
                case DeviceDaemonRequest.DetachDisk detach:
                    _service.DetachDisk(detach.Major, detach.Minor);
                    break;
                case DeviceDaemonRequest.QueryDisk query:
                    var target = _service.QueryDisk(query.Major, query.Minor);
                    return DaemonProtocol.WriteOk(json => json.WriteString("target", target));
                case DeviceDaemonRequest.AttachNetwork attach:
                    _service.AttachInterface(attach.Interface, attach.Bridge);
                    break;
                case DeviceDaemonRequest.DetachNetwork detach:
                    _service.DetachInterface(detach.Interface);
                    break;
            }

            return DaemonProtocol.WriteOk(_ => { });
        }
        catch (DaemonRefusal refusal)
        {
            return DaemonProtocol.WriteError(refusal.Id, refusal.Message);
        }
        catch (LvmException error)
        {
            return DaemonProtocol.WriteError(error.ErrorId, error.Errno is { } errno ? $"{error.Problem} ({ErrnoText.Describe(errno)})" : error.Problem);
        }
        catch (Exception error)
        {
            Log.Error($"{Name}: {error}");
            return DaemonProtocol.WriteError(ErrorIds.DeviceFailure, $"the device daemon failed: {error.Message.TrimEnd('.')}");
        }
    }
}
