using System.Diagnostics;
using System.Net.Sockets;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Bench.Contenders;

/// <summary>
/// libxc's save into libxc's restore on the other host (<see cref="BareTarget"/>), over one connection, and one word back that the guest runs: no store, no
/// encryption, nobody who asks whether all has come, nothing kept for the case that something fails.
/// </summary>
/// <param name="live">Whether pages are copied while it runs, with libxc's own rule for when to stop (simple_precopy_policy); all while it stands still otherwise.</param>
internal sealed class BareMove(LvmHost host, IHypervisor hypervisor, IDomainDirectory directory, IDeviceBus bus, GuestFiles files, string target, bool live) : IContender
{
    private int _number;

    public string Name => live ? "bare" : "stopped";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var config = files.Config($"{Name}-{Environment.ProcessId}-{_number++}");
            var source = host.CreateDomain(config);
            files.Pause.Take();
            using (var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true })
            {
                socket.Connect(target, BareTarget.Port);
                var control = new Control(directory, bus, source.Key, hypervisor, live);
                var begin = Stopwatch.GetTimestamp();
                BareTarget.Announce(socket, config);
                // Not after the save: libxc has to tidy up meanwhile.
                var word = Task.Factory.StartNew(() => (Since: BareTarget.AwaitRunning(socket), At: Stopwatch.GetTimestamp()), TaskCreationOptions.LongRunning);
                hypervisor.SaveDomain(source.Id, BareTarget.StreamOf(socket), control, CancellationToken.None);
                var end = word.Result.At - (long)(word.Result.Since.TotalSeconds * Stopwatch.Frequency);
                sample($"move-{Name}", Stopwatch.GetElapsedTime(begin, end).TotalMilliseconds);
                sample($"downtime-{Name}", Stopwatch.GetElapsedTime(control.SuspendedAt, end).TotalMilliseconds);
            }

            host.DestroyDomain(source.Key);
            files.Pause.Take();
        }
    }

    private sealed class Control(IDomainDirectory directory, IDeviceBus bus, DomainKey key, IHypervisor hypervisor, bool live) : ISaveControl
    {
        // SPP_MAX_ITERATIONS and SPP_TARGET_DIRTY_COUNT of tools/libs/guest/xg_sr_save.c.
        private const int MostRounds = 5;
        private const int FewPages = 50;

        public long SuspendedAt { get; private set; }

        public bool IsLive => live;

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
