using System.Text;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Services;

namespace LightVM.Unit.Host.Devices;

public sealed class DeviceDaemonProtocolTests
{
    private static readonly Guid Domain = Guid.Parse("11111111-2222-3333-4444-555555555555");

    [Fact]
    public void A_reservation_looks_like_this()
    {
        var line = DeviceDaemonProtocol.Write(new DeviceDaemonRequest.Reserve(Domain,
        [
            new NetworkDevice(0, new NetworkConfig(null, null, "xenbr0")),
            new DiskDevice(51712, new DiskConfig("/x.img", DiskType.File, "xvda", DiskAccess.ReadWrite)),
        ]));

        Assert.Equal(
            """{"version":1,"request":"reserve","uuid":"11111111-2222-3333-4444-555555555555","devices":[{"kind":"vif","id":0,"mac":null,"bridge":"xenbr0"},{"kind":"vbd","id":51712,"target":"/x.img","type":"file","access":"w"}]}""" + "\n",
            Encoding.UTF8.GetString(line));
    }

    [Fact]
    public void Every_request_is_read_as_it_was_written()
    {
        var texts = ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get.Replace('\0', ' '));
        var numbers = Gen.Choose(0, int.MaxValue);
        var disks = from path in texts.Where(path => path.Length > 0 && IsText(path))
                    from isFile in ArbMap.Default.GeneratorFor<bool>()
                    from writes in ArbMap.Default.GeneratorFor<bool>()
                    select new DiskConfig(path, isFile ? DiskType.File : DiskType.Phy, "", writes ? DiskAccess.ReadWrite : DiskAccess.ReadOnly);
        var networks = from id in numbers
                       from mac in Gen.Elements(null, "00:16:3e:00:00:01", "02:00:00:00:00:ff")
                       from bridge in Gen.OneOf(Gen.Constant<string?>(null), texts.Where(IsText).Select(text => (string?)text))
                       select (Device)new NetworkDevice(id, new NetworkConfig(null, mac, bridge));
        var devices = Gen.OneOf(networks, from id in numbers from disk in disks select (Device)new DiskDevice(id, disk));
        var requests = Gen.OneOf(
            from uuid in ArbMap.Default.GeneratorFor<Guid>() from list in devices.ListOf() select (DeviceDaemonRequest)new DeviceDaemonRequest.Reserve(uuid, list.ToArray()),
            from uuid in ArbMap.Default.GeneratorFor<Guid>() from list in devices.ListOf() select (DeviceDaemonRequest)new DeviceDaemonRequest.Release(uuid, list.ToArray()),
            Gen.Constant((DeviceDaemonRequest)new DeviceDaemonRequest.Status()),
            disks.Select(disk => (DeviceDaemonRequest)new DeviceDaemonRequest.AttachDisk(disk)),
            numbers.Select(number => (DeviceDaemonRequest)new DeviceDaemonRequest.DetachDisk(7, (uint)number)),
            numbers.Select(number => (DeviceDaemonRequest)new DeviceDaemonRequest.QueryDisk((uint)number, 3)),
            texts.Where(IsText).Select(text => (DeviceDaemonRequest)new DeviceDaemonRequest.AttachNetwork(text, null)),
            texts.Where(IsText).Select(text => (DeviceDaemonRequest)new DeviceDaemonRequest.DetachNetwork(text)));

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(requests.ToArbitrary(), request =>
        {
            var line = DeviceDaemonProtocol.Write(request);
            var read = DeviceDaemonProtocol.ReadRequest(line);
            // One line, and the same again: lists are compared by what is in them.
            return line.AsSpan().IndexOf((byte)'\n') == line.Length - 1 && DeviceDaemonProtocol.Write(read).AsSpan().SequenceEqual(line);
        }));
    }

    [Theory]
    [InlineData("", "RequestInvalid")]
    [InlineData("{", "RequestInvalid")]
    [InlineData("[]", "RequestInvalid")]
    [InlineData("null", "RequestInvalid")]
    [InlineData("{}", "RequestInvalid")]
    [InlineData("{\"version\":\"1\",\"request\":\"status\"}", "RequestInvalid")]
    [InlineData("{\"version\":2,\"request\":\"status\"}", "VersionUnsupported")]
    [InlineData("{\"version\":1e99,\"request\":\"status\"}", "VersionUnsupported")]
    [InlineData("{\"version\":1}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":7}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"dance\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"\\ud800\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"reserve\",\"uuid\":\"x\",\"devices\":[]}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"reserve\",\"uuid\":\"11111111-2222-3333-4444-555555555555\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"reserve\",\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"devices\":[1]}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"reserve\",\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"devices\":[{\"kind\":\"vif\",\"id\":-1}]}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"reserve\",\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"devices\":[{\"kind\":\"vfb\",\"id\":0}]}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"reserve\",\"uuid\":\"11111111-2222-3333-4444-555555555555\",\"devices\":[{\"kind\":\"vif\",\"id\":0,\"mac\":\"ff:ff:ff:ff:ff:ff\"}]}", "NetworkAdapterInvalid")]
    [InlineData("{\"version\":1,\"request\":\"attach-disk\",\"target\":\"\",\"type\":\"file\",\"access\":\"r\"}", "DiskInvalid")]
    [InlineData("{\"version\":1,\"request\":\"attach-disk\",\"target\":\"/a\\u0000b\",\"type\":\"file\",\"access\":\"r\"}", "DiskInvalid")]
    [InlineData("{\"version\":1,\"request\":\"attach-disk\",\"target\":\"/a\",\"type\":\"tap\",\"access\":\"r\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"attach-disk\",\"target\":\"/a\",\"type\":\"file\",\"access\":\"rw\"}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"detach-disk\",\"major\":7,\"minor\":-1}", "RequestInvalid")]
    [InlineData("{\"version\":1,\"request\":\"detach-disk\",\"major\":7,\"minor\":99999999999}", "RequestInvalid")]
    [InlineData("[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "RequestInvalid")]
    public void What_cannot_be_understood_is_refused_with_an_id(string line, string id)
    {
        var refusal = Assert.Throws<DaemonRefusal>(() => DeviceDaemonProtocol.ReadRequest(Encoding.UTF8.GetBytes(line)));
        Assert.Equal(id, refusal.Id);
        Assert.NotEmpty(refusal.Message);
    }

    [Fact]
    public void A_path_longer_than_any_is_refused()
    {
        var disk = new DiskConfig(new string('x', DeviceDaemonProtocol.MaxPath + 1), DiskType.File, "", DiskAccess.ReadOnly);

        Assert.Equal(ErrorIds.DiskInvalid, Assert.Throws<DaemonRefusal>(() => DeviceDaemonProtocol.ReadRequest(DeviceDaemonProtocol.Write(new DeviceDaemonRequest.AttachDisk(disk)))).Id);
    }

    [Fact]
    public void Whatever_comes_is_read_or_refused()
    {
        var good = DeviceDaemonProtocol.Write(new DeviceDaemonRequest.Reserve(Domain, [new NetworkDevice(0, new NetworkConfig(null, null, "xenbr0"))]));
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(3000), Prop.ForAll((byte[] noise, ushort place) =>
        {
            // Noise, and good requests with noise in them.
            AssertReadOrRefused(noise);
            var line = (byte[])good.Clone();
            for (var i = 0; i < noise.Length; i++) line[(place + i * 7) % line.Length] = noise[i];
            AssertReadOrRefused(line);
        }));
    }

    // --- answers ----------------------------------------------------------------------------------------------------------

    [Fact]
    public void Answers_are_read_as_they_were_written()
    {
        var macs = new[] { "00:16:3e:00:00:01", "00:16:3e:00:00:02" };
        Assert.Equal(macs, DeviceDaemonProtocol.ReadAnswer(DaemonProtocol.WriteOk(json => DeviceDaemonProtocol.WriteMacs(json, macs)), DeviceDaemonProtocol.ReadMacs));

        var status = new DeviceDaemonStatus("0.1.0", 42, new DateTimeOffset(2026, 11, 1, 2, 3, 4, TimeSpan.Zero), 1, 2, 3, 4, 5);
        Assert.Equal(status, DeviceDaemonProtocol.ReadAnswer(DaemonProtocol.WriteOk(json => DeviceDaemonProtocol.WriteStatus(json, status)), DeviceDaemonProtocol.ReadStatus));
    }

    [Fact]
    public void Errors_keep_their_ids()
    {
        var error = Assert.Throws<LvmException>(() => DeviceDaemonProtocol.ReadAnswer(DaemonProtocol.WriteError(ErrorIds.BridgeNotFound, "there is no bridge 'x'"), _ => 0));
        Assert.Equal((ErrorIds.BridgeNotFound, "there is no bridge 'x'"), (error.ErrorId, error.Problem));

        error = Assert.Throws<LvmException>(() => DeviceDaemonProtocol.ReadAnswer(DaemonProtocol.WriteError("SomethingNew", "no"), _ => 0));
        Assert.Equal(ErrorIds.DeviceFailure, error.ErrorId);
        Assert.Contains("SomethingNew", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"ok\":1}")]
    [InlineData("{\"error\":{}}")]
    [InlineData("{\"ok\":{}}")]
    [InlineData("{\"ok\":{\"macs\":[1]}}")]
    [InlineData("{\"ok\":{\"macs\":[\"no\"]}}")]
    public void An_answer_that_is_none_is_an_error(string line) =>
        Assert.Equal(ErrorIds.DeviceFailure, Assert.Throws<LvmException>(() => DeviceDaemonProtocol.ReadAnswer(Encoding.UTF8.GetBytes(line), DeviceDaemonProtocol.ReadMacs)).ErrorId);

    /// <summary>Whether JSON can say it: half of a surrogate pair it cannot.</summary>
    private static bool IsText(string text) => text.Length < 200 && text == Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));

    private static void AssertReadOrRefused(byte[] line)
    {
        try
        {
            DeviceDaemonProtocol.ReadRequest(line);
        }
        catch (DaemonRefusal)
        {
            // As good an end as any.
        }
    }
}
