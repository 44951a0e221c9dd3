using System.Net.Sockets;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Hosts;
using LightVM.Pools;
using LightVM.Services;

namespace LightVM.Host.Pools;

/// <summary>The pool daemon's socket (<see cref="PoolDaemonProtocol"/>).</summary>
internal sealed class PoolServer(string path, PeerPolicy peers, DaemonLog log, PoolKeeper keeper, LvmHost host, Func<PoolDaemonStatus> status, int maxClients = PoolServer.MaxClients)
    : LineServer(path, peers, log, "shells", maxClients)
{
    /// <summary>Connections at a time. Each process that makes domains keeps one or two.</summary>
    public const int MaxClients = 1024;

    protected override byte[] Refusal(string reason, int errno) => DaemonProtocol.WriteError(ErrorIds.PoolDaemonUnavailable, reason);

    protected override ValueTask<byte[]?> Answer(Socket client, byte[] line, CancellationToken cancellation)
    {
        PoolDaemonRequest request;
        try
        {
            request = PoolDaemonProtocol.ReadRequest(line);
        }
        catch (DaemonRefusal refusal)
        {
            return new(DaemonProtocol.WriteError(refusal.Id, refusal.Message));
        }
        catch (LvmException error)
        {
            return new(DaemonProtocol.WriteError(error.ErrorId, error.Problem));
        }

        // What somebody waits for who makes a domain is answered on the spot; all else has time.
        return request is PoolDaemonRequest.Missed ? new(Answer(request, cancellation)) : new(Task.Run(() => Answer(request, cancellation)));
    }

    /// <summary>Does a request.</summary>
    private byte[]? Answer(PoolDaemonRequest request, CancellationToken cancellation)
    {
        try
        {
            switch (request)
            {
                case PoolDaemonRequest.Missed missed:
                    return PoolDaemonProtocol.WriteMissed(keeper.NoteMiss(missed.Shell));
                case PoolDaemonRequest.Create create:
                    var domain = host.CreateDomain(create.Config, cancellation);
                    return PoolDaemonProtocol.WriteCreated(domain.Id, domain.Creation ?? new CreationRecord([], TimeSpan.Zero));
                case PoolDaemonRequest.Add add:
                    keeper.Add(add.Pool);
                    break;
                case PoolDaemonRequest.Set set:
                    keeper.Set(set.Pool);
                    break;
                case PoolDaemonRequest.Remove remove:
                    keeper.Remove(remove.Name);
                    break;
                case PoolDaemonRequest.List:
                    return PoolDaemonProtocol.WritePools(keeper.List());
                case PoolDaemonRequest.Status:
                    return PoolDaemonProtocol.WriteStatus(status());
            }

            return DaemonProtocol.WriteOk(_ => { });
        }
        catch (LvmException error)
        {
            return DaemonProtocol.WriteError(error.ErrorId, error.Errno is { } errno ? $"{error.Problem} ({ErrnoText.Describe(errno)})" : error.Problem);
        }
        catch (Exception error)
        {
            Log.Error($"{Name}: {error}");
            return DaemonProtocol.WriteError(ErrorIds.ServiceFailure, $"the pool daemon failed: {error.Message.TrimEnd('.')}");
        }
    }
}
