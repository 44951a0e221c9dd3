using System.Net.Sockets;
using System.Text;
using LightVM.Errors;
using LightVM.Services;

namespace LightVM.Unit.Services;

public sealed class DaemonConnectionTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-daemon-");

    private string Path => System.IO.Path.Combine(_folder.FullName, "daemon.sock");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_daemon_that_was_restarted_is_asked_by_a_new_connection_whether_or_not_it_may_be_asked_twice(bool again)
    {
        using var connection = new DaemonConnection("the daemon", Path, ErrorIds.ServiceFailure, TimeSpan.FromSeconds(30));
        for (var run = 0; run < 3; run++)
        {
            using var daemon = new Echo(Path);
            Assert.Equal($"run {run}\n", connection.Ask(Encoding.UTF8.GetBytes($"run {run}\n"), line => Encoding.UTF8.GetString(line.Span), again: again));
        }

        Assert.Equal(ErrorIds.ServiceFailure, Assert.Throws<LvmException>(() => connection.Ask("gone\n"u8.ToArray(), _ => 0, again: again)).ErrorId);
    }

    /// <summary>Sends each line back, until it is disposed: then all its connections have ended.</summary>
    private sealed class Echo : IDisposable
    {
        private readonly string _path;
        private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly Task _serving;
        private Socket? _client;

        public Echo(string path)
        {
            _path = path;
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            _listener.Listen();
            _serving = Task.Run(Serve);
        }

        public void Dispose()
        {
            _client?.Shutdown(SocketShutdown.Both);
            _listener.Dispose();
            _serving.GetAwaiter().GetResult();
            _client?.Dispose();
            File.Delete(_path);
        }

        private void Serve()
        {
            _client = _listener.Accept();
            var buffer = new byte[100];
            for (int count; (count = _client.Receive(buffer)) > 0;) _client.Send(buffer, count, SocketFlags.None);
        }
    }
}
