using System.Diagnostics;
using System.IO.Pipes;
using System.Text;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>The standard streams of a running ssh. What it says on its error stream is why it failed.</summary>
internal sealed class SshLinkStream : PipeLinkStream
{
    /// <summary>What is kept of ssh's words: the last of them.</summary>
    private const int MostWords = 4096;

    /// <summary>What ssh exits with when it was ssh itself that failed.</summary>
    private const int OwnFailure = 255;

    private readonly Process _process;
    private readonly StringBuilder _words = new();
    private readonly Task _listening;
    private volatile bool _hasHeard;

    public SshLinkStream(Process process, string host)
        : base(((AnonymousPipeClientStream)process.StandardOutput.BaseStream).SafePipeHandle, ((AnonymousPipeClientStream)process.StandardInput.BaseStream).SafePipeHandle, host)
    {
        _process = process;
        _listening = Task.Run(Listen);
    }

    protected override int ReadCore(Span<byte> buffer)
    {
        var count = base.ReadCore(buffer);
        if (count > 0) _hasHeard = true;
        else if (Ended() is { } failure) throw failure;
        return count;
    }

    protected override LvmException Lost(Exception error) => Ended() ?? base.Lost(error);

    protected override void Cut()
    {
        base.Cut();
        try
        {
            _process.Kill();
        }
        catch (Exception error) when (error is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It has ended by itself.
        }
    }

    protected override void CloseGently()
    {
        base.CloseGently();
        if (!_process.WaitForExit(ClosingTime)) Cut();
    }

    protected override void Release()
    {
        base.Release();
        _process.Dispose();
    }

    /// <summary>Why ssh has ended; null where it ended well, or has only closed its output.</summary>
    private LvmException? Ended()
    {
        if (!_process.WaitForExit(ClosingTime) || _process.ExitCode == 0) return null;
        // A connection that ssh keeps for others may keep its error stream open.
        _listening.Wait(TimeSpan.FromSeconds(1));
        string words;
        lock (_words) words = Quoted.Line(_words.ToString());
        var why = words.Length > 0 ? words : $"it ended with exit code {_process.ExitCode}";
        return _hasHeard
            ? new LvmException(ErrorIds.ConnectionLost, $"the connection to {Peer} was lost: {(_process.ExitCode == OwnFailure ? "ssh" : "the other side")}: {why}")
            : new LvmException(ErrorIds.ConnectionFailed, $"ssh to {Peer} has failed: {why}");
    }

    private void Listen()
    {
        var buffer = new char[1024];
        try
        {
            for (int count; (count = _process.StandardError.Read(buffer)) > 0;)
            {
                lock (_words)
                {
                    _words.Append(buffer, 0, count);
                    if (_words.Length > MostWords) _words.Remove(0, _words.Length - MostWords);
                }
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // Nobody needs it any more.
        }
    }
}
