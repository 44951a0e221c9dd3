using System.Net.Sockets;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Host.Devices;

/// <summary>The socket of Chaos' device daemon (<see cref="ChaosProtocol"/>), for clients that know no other.</summary>
internal sealed class ChaosServer(string path, PeerPolicy peers, DaemonLog log, DeviceService service, int maxClients = RequestServer.MaxClients)
    : SocketServer(path, peers, log, "devices", maxClients)
{
    protected override byte[] Refusal(string reason, int errno) => ChaosProtocol.WriteResponse(errno);

    protected override async Task Serve(Socket client, CancellationToken cancellation)
    {
        byte[] header = new byte[ChaosProtocol.RequestHeader], payload;
        using (var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
        {
            deadline.CancelAfter(MessagePatience);
            if (!await ReceiveAll(client, header, deadline.Token)) return;
            var length = ChaosProtocol.ReadHeader(header);
            if (length < 0)
            {
                await Send(client, ChaosProtocol.WriteResponse(-length), cancellation);
                return;
            }

            payload = new byte[length];
            if (!await ReceiveAll(client, payload, deadline.Token)) return;
        }

        await Send(client, await Task.Run(() => Answer(header, payload), cancellation), cancellation);
    }

    /// <summary>Does a request.</summary>
    internal byte[] Answer(byte[] header, byte[] payload)
    {
        try
        {
            switch (ChaosProtocol.Read(header, payload))
            {
                case ChaosRequest.Add add:
                    var (major, minor) = service.AttachDisk(add.Disk);
                    return ChaosProtocol.WriteNumbers(major, minor);
                case ChaosRequest.Remove remove:
                    if (remove.Type == DiskType.File) service.DetachDisk(remove.Major, remove.Minor);
                    return ChaosProtocol.WriteResponse(0);
                case ChaosRequest.Query query:
                    return ChaosProtocol.WriteName(service.QueryDisk(query.Major, query.Minor));
                default:
                    return ChaosProtocol.WriteResponse(ChaosProtocol.EINVAL);
            }
        }
        catch (LvmException error)
        {
            Log.Warning($"{Name}: {error.Problem}");
            return ChaosProtocol.WriteResponse(ErrnoOf(error));
        }
        catch (Exception error)
        {
            Log.Error($"{Name}: {error}");
            return ChaosProtocol.WriteResponse(ChaosProtocol.EIO);
        }
    }

    private static int ErrnoOf(LvmException error) => error.Errno ?? error.ErrorId switch
    {
        ErrorIds.DiskNotFound => ErrnoText.ENOENT,
        ErrorIds.DiskInUse => ErrnoText.EBUSY,
        ErrorIds.DiskInvalid => ErrnoText.EINVAL,
        _ => ChaosProtocol.EIO,
    };

    private static async Task<bool> ReceiveAll(Socket client, Memory<byte> buffer, CancellationToken cancellation)
    {
        while (buffer.Length > 0)
        {
            var count = await client.ReceiveAsync(buffer, SocketFlags.None, cancellation);
            if (count == 0) return false;
            buffer = buffer[count..];
        }

        return true;
    }
}
