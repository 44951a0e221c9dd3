using System.CommandLine;
using System.Net;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Hosts;
using LightVM.Linux;
using LightVM.Migration;

namespace LightVM.Host.Commands;

internal static class ReceiveCommand
{
    public static Command Make(CommandLine line)
    {
        var port = new Argument<int?>("PORT") { Description = $"Where to listen over TLS; {MigrationPort.Default} when not given", Arity = ArgumentArity.ZeroOrOne, DefaultValueFactory = _ => null };
        var address = new Option<string?>("--address") { Description = "Listen at this address only", HelpName = "ADDRESS" };
        var plain = new Option<int?>("--plain") { Description = "Listen over plain TCP as well, for this machine alone, or instead of TLS where this host has no key; Chaos' migrations are taken there, too", HelpName = "PORT" };
        var insecure = new Option<bool>("--insecure") { Description = "Let other machines in over plain TCP, too: whoever reaches the port may send domains" };
        var sessions = new Option<int>("--sessions") { Description = "How many connections may be open at once; 32 when not given", HelpName = "N", DefaultValueFactory = _ => new ListenerLimits().Connections };
        var stdio = new Option<bool>("--stdio") { Description = "Serve one sender on standard input and output, as ssh starts it" };
        var logFile = new Option<string?>("--log-file") { Description = "Append the log to a file instead of writing it to standard error", HelpName = "FILE" };
        var listCrashPoints = new Option<bool>("--list-crash-points") { Hidden = true };
        var command = new Command("receive", "Take domains that other hosts send (lightvm migrate)") { port, address, plain, insecure, sessions, stdio, logFile, listCrashPoints };
        return line.Define(command, context =>
        {
            if (context.Get(listCrashPoints))
            {
                foreach (var point in MoveCrashPoints.Source.Concat(MoveCrashPoints.Target)) context.Session.Output.WriteLine(point);
                return ExitCodes.Ok;
            }

            if (context.Get(stdio)) return ServeStandardStreams(context, context.Get(logFile));
            if (context.Get(sessions) is < 1 or > 1000) throw new UsageException("--sessions must be from 1 to 1000.");
            foreach (var each in (int?[])[context.Get(port), context.Get(plain)])
            {
                if (each is < 0 or > 65535) throw new UsageException($"{each} is no port: they go from 1 to 65535.");
            }

            if (context.Get(address) is { } text && !IPAddress.TryParse(text, out _)) throw new UsageException($"'{text}' is no address.");
            var limits = new ListenerLimits { Connections = context.Get(sessions), ConnectionsOfPeer = Math.Min(context.Get(sessions), new ListenerLimits().ConnectionsOfPeer) };
            return DaemonProcess.Run(context, context.Get(logFile), (log, notifier, cancellation) =>
            {
                var host = context.Host;
                using var listeners = new Listeners();
                if (context.Get(plain) is { } plainPort)
                    listeners.Add(new PlainListener(At(context.Get(address), plainPort, context.Get(insecure) ? IPAddress.IPv6Any : IPAddress.Loopback), context.Get(insecure), limits, log.Notice));
                // Where this host has no key, plain TCP may be all that is wanted.
                if (context.Get(plain) is null || context.Get(port) is not null || context.Session.OpenTrust().FindIdentity() is not null)
                    listeners.Add(new TlsListener(context.Session.OpenTrust(), At(context.Get(address), context.Get(port) ?? MigrationPort.Default, IPAddress.IPv6Any), limits, log.Notice));
                Recover(host, log);
                notifier.Ready("taking domains");
                log.Notice($"lightvm {CommandLine.Version} takes domains at {listeners}");
                try
                {
                    DeviceDaemon.RunAll(listeners.Tasks(host, log), cancellation);
                }
                finally
                {
                    notifier.Stopping();
                    log.Notice("stopping; domains that were on their way go on where they were");
                }
            });
        });
    }

    private static int ServeStandardStreams(CommandContext context, string? logFile)
    {
        using var log = DaemonProcess.OpenLog(context, logFile);
        // What ends ssh must not end this in the middle.
        using (context.Catch())
        {
            var host = context.Host;
            using var link = StandardStreams.Take();
            host.Moves.Serve(link, log.Notice, context.Cancellation);
        }

        return ExitCodes.Ok;
    }

    /// <summary>Finishes what receivers have left that died.</summary>
    private static void Recover(LvmHost host, DaemonLog log)
    {
        foreach (var ticket in host.Moves.UnfinishedArrivals())
        {
            try
            {
                if (host.Moves.RecoverArrival(ticket) is { } done) log.Notice(done);
            }
            catch (LvmException error) when (error.ErrorId == ErrorIds.DomainInvalidState)
            {
                // Another receiver is at it.
            }
            catch (LvmException error)
            {
                log.Error(error.Message);
            }
        }
    }

    private static IPEndPoint At(string? address, int port, IPAddress otherwise) => new(address is null ? otherwise : IPAddress.Parse(address), port);

    private sealed class Listeners : IDisposable
    {
        private readonly List<LinkListener> _listeners = [];

        public void Add(LinkListener listener) => _listeners.Add(listener);

        public List<ListenerTask> Tasks(LvmHost host, DaemonLog log) => _listeners.Select(listener => new ListenerTask(listener, host, log)).ToList();

        public void Dispose() => _listeners.ForEach(listener => listener.Dispose());

        public override string ToString() => string.Join(" and ", _listeners.Select(listener => $"{listener.Address} ({(listener is TlsListener ? "TLS" : "plain TCP")})"));
    }

    public sealed class ListenerTask(LinkListener listener, LvmHost host, DaemonLog log) : IDaemonTask
    {
        public string Name => listener.Address.ToString();

        public void Run(CancellationToken cancellation) => listener.Run((link, token) => host.Moves.Serve(link, log.Notice, token), cancellation);
    }
}
