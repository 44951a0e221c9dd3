using System.Diagnostics;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Images;

namespace LightVM.Bench.Contenders;

/// <summary>
/// libxc's live save into libxc's restore, by a pipe on this host, with libxc's own rule for when to stop (simple_precopy_policy) and
/// nothing else: no store, no other host, nobody who asks whether all has come. How long its guest stands still is the least there is.
/// </summary>
internal sealed class BareMove(LvmHost host, IHypervisor hypervisor, IDomainDirectory directory, IDeviceBus bus, GuestFiles files) : IContender
{
    private int _number;

    public string Name => "bare";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var config = files.Config($"bare-{Environment.ProcessId}-{_number++}");
            var source = host.CreateDomain(config);
            Thread.Sleep(files.PauseMs);

            var shape = new DomainShape(Guid.NewGuid(), config.Type, config.AddressSize, config.VcpuCount);
            var id = hypervisor.CreateDomain(shape);
            hypervisor.SetLimits(id, shape, config.MaxMemoryMiB * 1024L + 1024);
            var ports = new GuestPorts(hypervisor.AllocateEventChannel(id, 0), hypervisor.AllocateEventChannel(id, 0));
            var (read, write) = Pipe.Open();
            var control = new Control(directory, bus, source.Key, hypervisor);
            var begin = Stopwatch.GetTimestamp();
            var restoration = Task.Run(() =>
            {
                using (read) hypervisor.RestoreDomain(id, shape, read, ports, CancellationToken.None);
                hypervisor.Unpause(id);
                return Stopwatch.GetTimestamp();
            });
            using (write) hypervisor.SaveDomain(source.Id, write, control, CancellationToken.None);
            var end = restoration.GetAwaiter().GetResult();
            sample("move-bare", Stopwatch.GetElapsedTime(begin, end).TotalMilliseconds);
            sample("downtime-bare", Stopwatch.GetElapsedTime(control.SuspendedAt, end).TotalMilliseconds);
            hypervisor.Destroy(id);
            host.DestroyDomain(source.Key);
            Thread.Sleep(files.PauseMs);
        }
    }

    private sealed class Control(IDomainDirectory directory, IDeviceBus bus, DomainKey key, IHypervisor hypervisor) : ISaveControl
    {
        // SPP_MAX_ITERATIONS and SPP_TARGET_DIRTY_COUNT of tools/libs/guest/xg_sr_save.c.
        private const int MostRounds = 5;
        private const int FewPages = 50;

        public long SuspendedAt { get; private set; }

        public bool IsLive => true;

        public SaveDecision Decide(in SaveProgress progress) => progress.Round >= MostRounds || progress.PagesDirty is < FewPages ? SaveDecision.StopAndCopy : SaveDecision.NextRound;

        public void Suspend()
        {
            using var watch = directory.Watch();
            bus.Request(key, ShutdownReason.Suspend);
            while (hypervisor.FindDomain(key.Id)?.ShutdownReason != ShutdownReason.Suspend) watch.Wait(Timeout.InfiniteTimeSpan, CancellationToken.None);
            SuspendedAt = Stopwatch.GetTimestamp();
        }
    }
}
