using System.Net.Sockets;

namespace LightVM.Migration;

/// <summary>A TCP connection as it is.</summary>
internal class SocketLinkStream : LinkStream
{
    private readonly Socket _socket;
    private readonly Stream _stream;
    private bool _lingers;

    /// <param name="stream">What carries the bytes over the socket, which it does not own: a NetworkStream, or TLS over one.</param>
    public SocketLinkStream(Socket socket, Stream stream, string peer)
        : base(peer)
    {
        _socket = socket;
        _stream = stream;
    }

    public override bool IsDry
    {
        get
        {
            try
            {
                return _socket.Available == 0;
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return false; // the next read says why
            }
        }
    }

    protected override int ReadCore(Span<byte> buffer) => _stream.Read(buffer);

    protected override ValueTask<int> ReadCoreAsync(Memory<byte> buffer) => _stream.ReadAsync(buffer);

    protected override void WriteCore(ReadOnlySpan<byte> buffer) => _stream.Write(buffer);

    protected override ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer) => _stream.WriteAsync(buffer);

    protected override void CloseWritingCore() => _socket.Shutdown(SocketShutdown.Send);

    protected override void Cut() => _socket.Dispose();

    protected override void CloseGently()
    {
        try
        {
            CloseWritingCore();
            _ = Linger();
            _lingers = true;
        }
        catch (Exception error) when (error is SocketException or IOException or InvalidOperationException)
        {
            // The peer was faster.
        }
    }

    protected override void Release()
    {
        _stream.Dispose();
        if (!_lingers) _socket.Dispose();
    }

    /// <summary>
    /// Leaves the connection open, behind the back of whoever has disposed of it, until the peer has closed it too: with something of the
    /// peer's unread it would be reset, and what is still on its way there be lost.
    /// </summary>
    private async Task Linger()
    {
        var rest = new byte[4 << 10];
        using var patience = new CancellationTokenSource(ClosingTime);
        try
        {
            while (await _socket.ReceiveAsync(rest, SocketFlags.None, patience.Token) > 0)
            {
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // It has ended in some other way, or will never.
        }

        _socket.Dispose();
    }
}
