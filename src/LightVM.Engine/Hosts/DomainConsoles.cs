using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using LightVM.Consoles;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Hosts;

/// <summary>
/// The consoles of a host's domains. Any number of readers, of any number of processes, read one console, and each gets everything: what
/// the guest wrote is kept, up to 1 MiB a domain, for as long as the domain lives. Every failure names what was done and the domain;
/// those of all members: DomainGone, DomainProtected, ConsoleUnavailable, HostFileFailure, OperationCancelled.
/// </summary>
public sealed class DomainConsoles
{
    /// <summary>How long a guest at whose console somebody types may take to read it, before keys are dropped.</summary>
    private static readonly TimeSpan KeyPatience = TimeSpan.FromSeconds(1);

    private readonly HostContext _host;

    internal DomainConsoles(HostContext host)
    {
        _host = host;
    }

    /// <summary>What a guest has written and, with <paramref name="follow"/>, what it writes until its domain is gone, by lines.</summary>
    /// <param name="tail">How many lines of what was written before to give; null for all that is kept.</param>
    public IEnumerable<string> ReadLines(DomainKey key, int? tail = null, bool follow = false, CancellationToken cancellation = default)
    {
        using var console = Open(key, "read the console of");
        var lines = new ConsoleLines();
        foreach (var line in lines.Add(console.Do(inner => ConsoleBacklog.Read(inner, tail, cancellation)))) yield return line;
        if (follow)
        {
            var buffer = new byte[65536];
            while (console.Do(inner => inner.Read(buffer, Timeout.InfiniteTimeSpan, cancellation)) is > 0 and var count)
            {
                foreach (var line in lines.Add(buffer.AsSpan(0, count))) yield return line;
            }
        }

        foreach (var line in lines.End()) yield return line;
    }

    /// <summary>
    /// Waits until a guest has written a line that matches, and gives that line: one that it wrote before, as far as it is kept, or the
    /// beginning of one that has no end yet, such as a prompt. Errors: WaitTimeout.
    /// </summary>
    public string WaitForLine(DomainKey key, Regex pattern, TimeSpan timeout, CancellationToken cancellation = default)
    {
        using var console = Open(key, "wait for the console of");
        var begin = Stopwatch.GetTimestamp();
        var lines = new ConsoleLines();
        var buffer = new byte[65536];
        while (true)
        {
            var left = timeout == Timeout.InfiniteTimeSpan ? timeout : timeout - Stopwatch.GetElapsedTime(begin);
            if (left < TimeSpan.Zero && timeout != Timeout.InfiniteTimeSpan) left = TimeSpan.Zero;
            var count = console.Do(inner => inner.Read(buffer, left, cancellation));
            foreach (var line in count is > 0 ? lines.Add(buffer.AsSpan(0, count.Value)) : [])
            {
                if (pattern.IsMatch(line)) return line;
            }

            if (lines.HasRest && lines.Rest is var rest && pattern.IsMatch(rest)) return rest;
            if (count is > 0) continue;
            throw console.Named(count is null
                ? new LvmException(ErrorIds.WaitTimeout, $"it has written nothing that matches '{pattern}' within {timeout.TotalSeconds:0.###} s")
                : new LvmException(ErrorIds.DomainGone, $"it ended before it wrote anything that matches '{pattern}'"));
        }
    }

    /// <summary>
    /// Types text at a guest's console. A line break in it is the Enter key. Returns when the console daemon has taken all of it, which
    /// does not tell whether the guest has read it. Errors: WaitTimeout.
    /// </summary>
    public void Send(DomainKey key, string text, TimeSpan timeout, CancellationToken cancellation = default)
    {
        using var console = Open(key, "send to the console of");
        var keys = Encoding.UTF8.GetBytes(text.Replace("\r\n", "\r", StringComparison.Ordinal).Replace('\n', '\r'));
        console.Do(inner =>
        {
            inner.Write(keys, timeout, cancellation);
            return keys.Length;
        });
    }

    /// <summary>
    /// Connects a guest's console with this process's standard input and output, which become raw for that time where they are a
    /// terminal: all keys are the guest's but Ctrl+], which leaves.
    /// </summary>
    /// <param name="readKeys">Whether standard input is read; otherwise the console is only shown.</param>
    /// <param name="tail">How many lines of what was written before to show; null for all that is kept.</param>
    /// <param name="timeout">When to leave at the latest; null for never.</param>
    /// <param name="attached">
    /// Called before anything is shown. Its first argument says whether the terminal is raw, the second brings it back to what it was,
    /// for a process that ends in the middle of this.
    /// </param>
    public ConsoleEnd Attach(
        DomainKey key, bool readKeys = true, int? tail = null, TimeSpan? timeout = null, Action<bool, Action>? attached = null, CancellationToken cancellation = default)
    {
        const int StandardInput = 0;
        const int StandardOutput = 1;
        const int Nowhere = -1;
        using var console = Open(key, "attach to the console of");
        var input = readKeys ? StandardInput : Nowhere;
        try
        {
            var backlog = console.Do(inner => ConsoleBacklog.Read(inner, tail, cancellation));
            using var terminal = new RawTerminal(input);
            attached?.Invoke(terminal.IsRaw, terminal.Dispose);
            // What does not come from a keyboard can wait for the guest to read it.
            var link = new ConsoleLink(console, input, StandardOutput, terminal.IsRaw ? KeyPatience : Timeout.InfiniteTimeSpan);
            return link.Run(backlog, timeout ?? Timeout.InfiniteTimeSpan, cancellation);
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.OperationCancelled)
        {
            return ConsoleEnd.Cancelled;
        }
        catch (LvmException error)
        {
            throw console.Named(error);
        }
    }

    /// <summary>Whether <see cref="Attach"/> can have this process's terminal: whether there is one.</summary>
    public static bool HasTerminal => Libc.IsTerminal(0) != 0 && Libc.IsTerminal(1) != 0;

    private NamedConsole Open(DomainKey key, string operation)
    {
        var name = _host.NameOf(key);
        try
        {
            _host.RequireGuest(key, operation);
            return new NamedConsole(_host.Directory.OpenConsole(key, () => _host.Find(key) is not null), Named);
        }
        catch (LvmException error)
        {
            throw Named(error);
        }

        // A console that is not to be had because its domain has just ended is the domain's failure.
        LvmException Named(LvmException error) =>
            (error.ErrorId == ErrorIds.ConsoleUnavailable && _host.Find(key) is null ? new LvmException(ErrorIds.DomainGone, $"domain {key} is gone", error) : error).During(operation, name);
    }

    /// <summary>A console whose failures name the operation and the domain.</summary>
    private sealed class NamedConsole(IGuestConsole inner, Func<LvmException, LvmException> named) : IGuestConsole
    {
        public TimeSpan Lag => Do(console => console.Lag);

        public T Do<T>(Func<IGuestConsole, T> work)
        {
            try
            {
                return work(inner);
            }
            catch (LvmException error)
            {
                throw Named(error);
            }
            catch (OperationCanceledException error)
            {
                throw Named(new LvmException(ErrorIds.OperationCancelled, "it was cancelled", error));
            }
        }

        public LvmException Named(LvmException error) => named(error);

        public int? Read(Span<byte> buffer, TimeSpan timeout, CancellationToken cancellation) => inner.Read(buffer, timeout, cancellation);

        public void Write(ReadOnlySpan<byte> bytes, TimeSpan timeout, CancellationToken cancellation) => inner.Write(bytes, timeout, cancellation);

        public void Dispose() => inner.Dispose();
    }
}
