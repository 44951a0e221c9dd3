using System.Text;
using LightVM.Hypervisor;

namespace LightVM.Simulation;

/// <summary>
/// What a simulated guest does: what the tiny guest does on Xen (src/Native/guests/tiny), and in the same words. It says hello, obeys the
/// words of its command line and the lines that are typed, and repeats what it does not understand. All calls hold the machine's lock.
/// </summary>
internal sealed class SimulatedGuest(SimulatedDomain domain)
{
    private const int MaxLine = 80;

    private readonly Queue<byte> _typed = [];
    private readonly StringBuilder _line = new();
    private string? _commandLine;
    private bool _isUp;

    public SimulatedConsole Console { get; } = new();

    /// <summary>What it was started with; empty before it is loaded.</summary>
    public string CommandLine => _commandLine ?? "";

    public void Load(string commandLine) => _commandLine = commandLine;

    /// <summary>Takes up where a guest was that was saved.</summary>
    public void Restore(string commandLine)
    {
        (_commandLine, _isUp) = (commandLine, true);
        Console.Print("tiny: resumed\n");
    }

    /// <summary>Goes on where it was suspended.</summary>
    public void GoOn() => Console.Print("tiny: not suspended\n");

    /// <summary>Goes on as far as it gets by itself. The domain must be able to run.</summary>
    public void Run()
    {
        if (_commandLine is null) return;
        if (!_isUp)
        {
            _isUp = true;
            Console.Print($"tiny: hello from a {domain.Type} guest\ntiny: command line: {_commandLine}\n");
            foreach (var word in _commandLine.Split(' '))
            {
                if (domain.Ended is null) Obey(word);
            }
        }

        while (domain.Ended is null && _typed.TryDequeue(out var key)) Take((char)key);
    }

    /// <summary>Somebody types, which the guest takes in when it runs.</summary>
    public void Type(ReadOnlySpan<byte> keys)
    {
        foreach (var key in keys) _typed.Enqueue(key);
    }

    /// <summary>Ends as it was asked to.</summary>
    public void End(ShutdownReason reason)
    {
        Console.Print(reason switch
        {
            ShutdownReason.Poweroff => "tiny: power off\n",
            ShutdownReason.Reboot => "tiny: reboot\n",
            ShutdownReason.Crash => "tiny: crash\n",
            _ => "tiny: suspend\n",
        });
        domain.Ended = reason;
    }

    private void Take(char key)
    {
        switch (key)
        {
            case '\r' or '\n':
                Console.Print("\n");
                var line = _line.ToString();
                _line.Clear();
                if (!Obey(line) && line.Length > 0) Console.Print($"tiny: {line}\n");
                break;
            case '\b' or '\x7f':
                if (_line.Length == 0) break;
                _line.Length--;
                Console.Print("\b \b");
                break;
            default:
                if (_line.Length >= MaxLine) break;
                _line.Append(key);
                Console.Print(key.ToString());
                break;
        }
    }

    /// <summary>False when the word means nothing.</summary>
    private bool Obey(string word)
    {
        switch (word)
        {
            case "poweroff" or "halt" or "off" or "q":
                End(ShutdownReason.Poweroff);
                return true;
            case "reboot" or "r":
                End(ShutdownReason.Reboot);
                return true;
            case "crash" or "c":
                End(ShutdownReason.Crash);
                return true;
            case "suspend":
                End(ShutdownReason.Suspend);
                return true;
            case "spin":
                Console.Print("tiny: spinning\n");
                domain.Activity = GuestActivity.Busy;
                return true;
            case "help":
                Console.Print("tiny: poweroff (q), reboot (r), crash (c), suspend, spin, help; anything else is repeated\n");
                return true;
            default:
                return false;
        }
    }
}
