using System.Text;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Migration;

namespace LightVM.Unit.Migration;

/// <summary>Peers that say what makes no sense, on both sides: each loses its own session, and nothing else.</summary>
public sealed class HostileMoveTests
{
    /// <summary>What a true source sends, with a byte changed, cut out or put in at each place.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_receiver_takes_no_harm_from_any_source(int seed)
    {
        var words = Record();
        var random = new Random(seed);
        using var machines = new TwoMachines();
        for (var n = 0; n < 400; n++)
        {
            var changed = Damage(words, random);
            var (here, there) = MemoryLink.Pair();
            var answers = new Thread(() => Swallow(here));
            var serving = new Thread(() =>
            {
                using (there) machines.There.Moves.Serve(there, _ => { }, default);
            });
            serving.Start();
            answers.Start();
            try
            {
                here.Stream.Write(changed);
                here.CloseWriting();
            }
            catch (LvmException)
            {
                // It has heard enough.
            }

            serving.Join();
            here.Dispose();
            answers.Join();
            foreach (var domain in machines.There.ListDomains().Where(domain => domain.Id != 0))
            {
                // The change was one that makes no difference: it is a whole guest.
                Assert.True(domain.State is DomainState.Blocked or DomainState.Running, $"{domain} is {domain.State}");
                machines.There.DestroyDomain(domain.Key);
            }

            Assert.Empty(machines.There.Moves.UnfinishedArrivals());
        }
    }

    [Fact]
    public void A_source_takes_no_harm_from_any_target()
    {
        var random = new Random(4);
        for (var n = 0; n < 300; n++)
        {
            using var machines = new TwoMachines();
            var domain = machines.Create();
            var real = machines.Serve;
            machines.Serve = link =>
            {
                var bytes = new byte[random.Next(400)];
                random.NextBytes(bytes);
                // Something like a frame, more often than not.
                for (var at = 0; n % 3 != 0 && at + 8 <= bytes.Length; at += 8 + bytes[at])
                {
                    bytes.AsSpan(at + 1, 3).Clear();
                    bytes[at + 4] = (byte)random.Next(1, 16);
                    bytes.AsSpan(at + 5, 3).Clear();
                }

                try
                {
                    link.Stream.Write(bytes);
                    link.CloseWriting();
                    Swallow(link);
                }
                catch (LvmException)
                {
                    // It has heard enough.
                }
            };

            Assert.Throws<LvmException>(() => machines.Move(domain));

            machines.AssertAlive(domain, machines.Here);
        }
    }

    [Fact]
    public void What_a_target_says_reaches_no_terminal_as_anything_but_text()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();
        machines.Serve = link =>
        {
            var channel = new MoveChannel(link);
            channel.Send(new Hello(1, "0", "4.17", Guid.NewGuid(), "there"));
            channel.Send(new Failure("NoSuchId", "first\u001b[2Jline\nsecond line."));
            link.CloseWriting();
            Swallow(link);
        };

        var error = TwoHosts.AssertFails(ErrorIds.MoveRefused, () => machines.Move(domain));

        Assert.DoesNotContain('\u001b', error.Message);
        Assert.Contains("first", error.Problem, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Problem);
        machines.AssertAlive(domain, machines.Here);
    }

    [Fact]
    public void A_target_that_has_all_before_it_can_is_not_believed()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();
        machines.Serve = link =>
        {
            var channel = new MoveChannel(link);
            channel.Send(new Hello(1, "0", "4.17", Guid.NewGuid(), "there"));
            channel.Send(new Answer(true, []));
            channel.Send(new Ready());
            Swallow(link);
        };

        // It may have said so when all was sent, and before it was whole: then it never answers again, and never lets a guest run.
        Assert.Throws<LvmException>(() => machines.Move(domain, new MoveOptions { Bandwidth = 1000 }));

        machines.Settle();
        Assert.Single(TwoMachines.Find(machines.Here, domain.Uuid));
    }

    [Fact]
    public void Whoever_speaks_another_language_is_told_so()
    {
        using var machines = new TwoMachines();
        var (here, there) = MemoryLink.Pair();
        here.Stream.Write("GET / HTTP/1.1\r\nHost: there\r\n\r\n"u8);
        var log = new List<string>();
        using (there) machines.There.Moves.Serve(there, log.Add, TestContext.Current.CancellationToken);
        var answer = new byte[1000];
        var count = here.Stream.ReadAtLeast(answer, 9);
        Assert.Contains(ErrorIds.MoveProtocolInvalid, Encoding.UTF8.GetString(answer, 0, count), StringComparison.Ordinal);
        Assert.Contains("does not keep to the migration protocol", Assert.Single(log), StringComparison.Ordinal);
        here.Dispose();
    }

    [Fact]
    public void A_source_asks_whether_all_is_worked_off_before_the_guest_is_suspended_and_only_those_who_understand()
    {
        // After the first round, and when the rest has been sent.
        Assert.Equal(2, Frames(Record()).Count(frame => frame.Type == MoveFrame.Mark));
        Assert.DoesNotContain(Frames(Record(targetProtocol: 1)), frame => frame.Type == MoveFrame.Mark);
        Assert.DoesNotContain(Frames(Record(type: GuestType.PV)), frame => frame.Type == MoveFrame.Mark); // it is suspended first
    }

    [Fact]
    public void A_mark_within_a_record_is_refused()
    {
        var frames = Frames(Record());
        var at = frames.FindLastIndex(frame => frame.Type == MoveFrame.Data);
        var (type, body) = frames[at];
        frames[at] = (type, body[..12]);
        frames.InsertRange(at + 1, [(MoveFrame.Mark, "{}"u8.ToArray()), (type, body[12..])]);
        using var machines = new TwoMachines();
        var (here, there) = MemoryLink.Pair();
        here.Stream.Write([.. "LVM-MOVE"u8, .. frames.SelectMany(frame => (byte[])[.. BitConverter.GetBytes(frame.Body.Length), (byte)frame.Type, 0, 0, 0, .. frame.Body])]);
        here.CloseWriting();
        var log = new List<string>();

        using (there) machines.There.Moves.Serve(there, log.Add, TestContext.Current.CancellationToken);

        Assert.Contains(log, line => line.Contains("it marks what is not between two records", StringComparison.Ordinal));
        Assert.Empty(machines.There.Moves.UnfinishedArrivals());
        here.Dispose();
    }

    [Fact]
    public void A_target_that_answers_what_it_was_not_asked_is_not_believed()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();
        machines.Serve = link =>
        {
            var channel = new MoveChannel(link);
            channel.Send(new Hello(Hello.CurrentProtocol, "0", "4.17", Guid.NewGuid(), "there"));
            channel.Send(new Answer(true, []));
            for (var n = 0; n < 3; n++) channel.Send(new Marked()); // it is asked twice
            Swallow(link);
        };

        TwoHosts.AssertFails(ErrorIds.MoveProtocolInvalid, () => machines.Move(domain));

        machines.AssertAlive(domain, machines.Here);
    }

    private static List<(MoveFrame Type, byte[] Body)> Frames(byte[] words)
    {
        var frames = new List<(MoveFrame, byte[])>();
        for (var at = "LVM-MOVE".Length; at < words.Length;)
        {
            var length = BitConverter.ToInt32(words, at);
            frames.Add(((MoveFrame)words[at + 4], words[(at + MoveChannel.HeadSize)..(at + MoveChannel.HeadSize + length)]));
            at += MoveChannel.HeadSize + length;
        }

        return frames;
    }

    /// <summary>All that a source sends in a move that succeeds.</summary>
    /// <param name="targetProtocol">What the target says that it speaks.</param>
    private static byte[] Record(int targetProtocol = Hello.CurrentProtocol, GuestType type = GuestType.PVH)
    {
        using var machines = new TwoMachines();
        var domain = machines.Create(type);
        var words = new MemoryStream();
        machines.Serve = there =>
        {
            // Between the two, and listens.
            var (near, far) = MemoryLink.Pair();
            var serving = new Thread(() =>
            {
                using (far) machines.There.Moves.Serve(far, _ => { }, default);
            });
            serving.Start();
            var back = new Thread(() => Pass(near, there, null, bytes => Replace(bytes, $"\"protocol\":{Hello.CurrentProtocol}", $"\"protocol\":{targetProtocol}")));
            back.Start();
            Pass(there, near, words);
            near.CloseWriting();
            serving.Join();
            back.Join();
            near.Dispose();
        };
        machines.Move(domain);
        machines.AssertAlive(domain, machines.There);
        return words.ToArray();
    }

    /// <summary>Bytes of which some words are others of the same length.</summary>
    private static void Replace(Span<byte> bytes, string what, string by)
    {
        var at = bytes.IndexOf(Encoding.ASCII.GetBytes(what));
        if (at >= 0) Encoding.ASCII.GetBytes(by, bytes[at..]);
    }

    private static void Pass(MigrationLink from, MigrationLink to, MemoryStream? record, Action<byte[]>? change = null)
    {
        var buffer = new byte[4096];
        try
        {
            for (int count; (count = from.Stream.Read(buffer)) > 0;)
            {
                change?.Invoke(buffer);
                record?.Write(buffer, 0, count);
                to.Stream.Write(buffer, 0, count);
            }
        }
        catch (LvmException)
        {
            // The other end has gone.
        }
    }

    private static byte[] Damage(byte[] words, Random random)
    {
        var bytes = words.ToList();
        for (var times = random.Next(1, 4); times > 0; times--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(4))
            {
                case 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 200), bytes.Count - at));
                    break;
                case 2:
                    bytes.InsertRange(at, Enumerable.Range(0, random.Next(1, 50)).Select(_ => (byte)random.Next(256)));
                    break;
                default:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
            }

            if (bytes.Count == 0) break;
        }

        return [.. bytes];
    }

    private static void Swallow(MigrationLink link)
    {
        var buffer = new byte[4096];
        try
        {
            while (link.Stream.Read(buffer) > 0)
            {
            }
        }
        catch (Exception error) when (error is LvmException or ObjectDisposedException)
        {
            // It has gone.
        }
    }
}
