using FsCheck;
using FsCheck.Fluent;
using LightVM.Errors;
using LightVM.Xen;

namespace LightVM.Unit.Xen;

public sealed class XenstorePipelineTests : IDisposable
{
    private readonly FakeXenstored _store = new();
    private readonly XenstorePipeline _pipeline;

    public XenstorePipelineTests()
    {
        _pipeline = XenstorePipeline.Open(_store.Path);
    }

    public void Dispose()
    {
        _pipeline.Dispose();
        _store.Dispose();
    }

    [Fact]
    public void A_batch_is_committed_as_one_transaction()
    {
        var batch = new XenstoreBatch();
        batch.Write("/a", "1");
        batch.SetPermissions("/a", new XenstorePermission(0, XenstoreRights.None), new XenstorePermission(7, XenstoreRights.Read));
        batch.Write("/a/b", "zwei €");
        _pipeline.Commit(batch);

        Assert.Equal("1", _store.Nodes["/a"]);
        Assert.Equal("zwei €", _store.Nodes["/a/b"]);
        Assert.Equal(["START 0", "WRITE 1 /a 1", "PERMS 1 /a n0 r7", "WRITE 1 /a/b zwei €", "END 1 T"], _store.Requests);
    }

    [Fact]
    public void A_batch_of_which_one_change_is_refused_changes_nothing()
    {
        _store.Refuse = request => request.Contains("/a/b", StringComparison.Ordinal) ? "EQUOTA" : null;
        var batch = new XenstoreBatch();
        batch.Write("/a", "1");
        batch.Write("/a/b", "2");
        batch.Write("/a/c", "3");

        var error = Assert.Throws<LvmException>(() => _pipeline.Commit(batch));
        Assert.Equal(ErrorIds.StoreQuotaExceeded, error.ErrorId);
        Assert.Contains("/a/b", error.Message, StringComparison.Ordinal);
        Assert.Contains("EQUOTA", error.Message, StringComparison.Ordinal);
        Assert.Equal("END 1 F", _store.Requests.Last());
        Assert.Empty(_store.Nodes);

        // All answers were read: the connection is still in step.
        _store.Refuse = _ => null;
        _pipeline.Commit(batch);
        Assert.Equal(3, _store.Nodes.Count);
    }

    [Fact]
    public void A_batch_about_a_node_that_does_not_exist_changes_nothing_and_says_which()
    {
        var batch = new XenstoreBatch();
        batch.Read("/a/b");
        batch.Write("/a/b", "2");

        Assert.Equal("/a/b", _pipeline.TryCommit(batch));
        Assert.Equal("END 1 F", _store.Requests.Last());
        Assert.Empty(_store.Nodes);
        Assert.Contains("ENOENT", Assert.Throws<LvmException>(() => _pipeline.Commit(batch)).Message, StringComparison.Ordinal);

        _store.Nodes["/a/b"] = "1";
        Assert.Null(_pipeline.TryCommit(batch));
        Assert.Equal("2", _store.Nodes["/a/b"]);
    }

    [Fact]
    public void A_transaction_that_others_got_in_the_way_of_is_done_again()
    {
        var refusals = 2;
        _store.Refuse = request => request.StartsWith("END", StringComparison.Ordinal) && refusals-- > 0 ? "EAGAIN" : null;
        var batch = new XenstoreBatch();
        batch.Write("/a", "1");
        _pipeline.Commit(batch);

        Assert.Equal(["WRITE 1 /a 1", "WRITE 2 /a 1", "WRITE 3 /a 1"], _store.Requests.Where(request => request.StartsWith("WRITE", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_transaction_that_never_gets_through_is_given_up()
    {
        _store.Refuse = request => request.StartsWith("END", StringComparison.Ordinal) ? "EAGAIN" : null;
        var batch = new XenstoreBatch();
        batch.Write("/a", "1");

        Assert.Contains("EAGAIN", Assert.Throws<LvmException>(() => _pipeline.Commit(batch)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Removing_what_does_not_exist_is_no_error_and_does_not_keep_the_rest_from_being_removed()
    {
        _store.Nodes["/b"] = "";
        var batch = new XenstoreBatch();
        batch.Remove("/a");
        batch.Remove("/b");
        _pipeline.Apply(batch);

        Assert.Empty(_store.Nodes);
    }

    [Fact]
    public void Reading_gives_values_in_order_and_null_for_what_does_not_exist()
    {
        var paths = Enumerable.Range(0, 5000).Select(i => $"/node/{i}").ToList(); // more than go out at once
        foreach (var path in paths.Where((_, i) => i % 3 != 0)) _store.Nodes[path] = path + "!";

        var values = _pipeline.Read(paths);
        Assert.Equal(paths.Select((path, i) => i % 3 == 0 ? null : path + "!"), values);
    }

    [Theory]
    [InlineData(127, 1)]
    [InlineData(128, 12)]
    [InlineData(5000, 33)]
    public void Many_values_are_read_by_several_connections_and_come_in_order(int count, int connections)
    {
        for (var number = 0; number < count; number += 2) _store.Nodes[$"/n/{number}"] = $"value {number}";

        Assert.Equal(Enumerable.Range(0, count).Select(number => number % 2 == 0 ? $"value {number}" : null), _pipeline.Read(Enumerable.Range(0, count).Select(number => $"/n/{number}").ToList()));
        Assert.Equal(connections, _store.Connections);
    }

    [Fact]
    public void A_refusal_among_many_reads_is_an_error_and_the_connection_stays_of_use()
    {
        _store.Refuse = request => request.TrimEnd().EndsWith("/n/77", StringComparison.Ordinal) ? "EACCES" : null;

        Assert.Equal(ErrorIds.XenNotPrivileged, Assert.Throws<LvmException>(() => _pipeline.Read(Enumerable.Range(0, 200).Select(number => $"/n/{number}").ToList())).ErrorId);
        Assert.Equal([null], _pipeline.Read(["/n/1"]));
    }

    [Fact]
    public void Events_between_answers_are_kept_until_they_are_asked_for()
    {
        _pipeline.Watch("/vm", "names");
        _store.Events.Enqueue("/vm");
        var batch = new XenstoreBatch();
        batch.Write("/a", "1");
        _pipeline.Commit(batch);
        _store.Events.Enqueue("/vm/x/name");

        Assert.Equal(["/vm", "/vm/x/name"], _pipeline.ReadEvents());
        Assert.Empty(_pipeline.ReadEvents());
    }

    [Fact]
    public void Events_that_have_arrived_are_taken_without_a_question()
    {
        _pipeline.Watch("/vm", "names");
        Assert.Empty(_pipeline.TakeEvents());
        var asked = _store.Requests.Count;
        _store.SendEvent("/vm/y");
        for (var tries = 0; tries < 200 && _store.Requests.Count == asked; tries++)
        {
            if (_pipeline.TakeEvents() is [var path])
            {
                Assert.Equal("/vm/y", path);
                return;
            }

            Thread.Sleep(10);
        }

        Assert.Fail("the event never arrived");
    }

    [Fact]
    public void A_connection_that_breaks_is_an_error_once_and_then_made_anew_with_its_watches()
    {
        _pipeline.Watch("/vm", "names");
        _store.HangUp = true;
        Assert.Equal(ErrorIds.StoreFailure, Assert.Throws<LvmException>(() => _pipeline.ReadEvents()).ErrorId);

        Assert.Empty(_pipeline.ReadEvents());
        Assert.Equal(2, _store.Requests.Count(request => request == "WATCH 0 /vm names"));
    }

    [Fact]
    public void A_wait_ends_with_an_event_its_time_or_the_connection()
    {
        var cancellation = TestContext.Current.CancellationToken;
        _pipeline.Watch("/vm", "names");
        for (var i = 0; i < 1000; i++)
        {
            // An event that was read meanwhile is no event any more, and least of all the connection's end.
            _store.Events.Enqueue("/vm/x");
            Assert.Equal(["/vm/x"], _pipeline.ReadEvents());
            _pipeline.WaitForEvent(TimeSpan.Zero, cancellation);
            Assert.Empty(_pipeline.TakeEvents());
        }

        Assert.False(_pipeline.WaitForEvent(TimeSpan.FromMilliseconds(50), cancellation));
        _store.SendEvent("/vm/y");
        Assert.True(_pipeline.WaitForEvent(TimeSpan.FromSeconds(60), cancellation));
        Assert.Equal(["/vm/y"], _pipeline.TakeEvents());
        _store.Close();
        Assert.Equal(ErrorIds.StoreFailure, Assert.Throws<LvmException>(() => _pipeline.WaitForEvent(Timeout.InfiniteTimeSpan, cancellation)).ErrorId);
        // The next one has a connection again, and its watches.
        _store.Events.Enqueue("/vm/z");
        Assert.Equal(["/vm/z"], _pipeline.ReadEvents());
    }

    [Fact]
    public void Without_a_daemon_it_is_said()
    {
        Assert.Equal(ErrorIds.XenstoreUnavailable, Assert.Throws<LvmException>(() => XenstorePipeline.Open("/nonexistent/socket")).ErrorId);
    }

    [Fact]
    public void A_value_that_no_message_can_hold_is_refused_before_it_is_sent()
    {
        Assert.Throws<ArgumentException>(() => new XenstoreBatch().Write("/a", new string('x', XenstoreBatch.MaxPayload)));
        Assert.Empty(_store.Requests);
    }

    [Fact]
    public void Whatever_is_answered_does_no_more_than_fail() =>
        Prop.ForAll<byte[]>(answer =>
        {
            _store.RawAnswer = answer;
            try
            {
                _pipeline.ReadEvents();
                return true;
            }
            catch (LvmException error)
            {
                return error.ErrorId is ErrorIds.StoreFailure or ErrorIds.StoreQuotaExceeded or ErrorIds.XenNotPrivileged;
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(500).WithQuietOnSuccess(true));
}
