using LightVM.Errors;
using LightVM.Trust;

namespace LightVM.Unit.Trust;

public sealed class TrustStoreTests : IDisposable
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-trust-");
    private readonly TrustStore _store;
    private readonly TrustStore _other;

    public TrustStoreTests()
    {
        _store = new TrustStore(Path.Combine(_folder.FullName, "etc", "trust"));
        _other = new TrustStore(Path.Combine(_folder.FullName, "other"));
    }

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void An_identity_is_a_certificate_to_show_and_a_key_that_nobody_else_can_read()
    {
        Assert.Null(_store.FindIdentity());
        AssertFails(ErrorIds.TrustMissing, () => _store.GetIdentity());
        AssertFails(ErrorIds.TrustMissing, () => _store.LoadIdentity());

        var identity = _store.CreateIdentity();

        Assert.Equal(identity, _store.GetIdentity());
        Assert.True(identity.IsSelf);
        Assert.InRange(identity.Created, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddSeconds(1));
        Assert.StartsWith("-----BEGIN CERTIFICATE-----", identity.Certificate, StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE", identity.Certificate, StringComparison.Ordinal);
        Assert.Contains("-----BEGIN PRIVATE KEY-----", File.ReadAllText(identity.Path), StringComparison.Ordinal);
        Assert.Equal(Owner, File.GetUnixFileMode(identity.Path));
        Assert.Equal(Owner | UnixFileMode.UserExecute, File.GetUnixFileMode(_store.Folder));
        using var loaded = _store.LoadIdentity();
        Assert.Equal(identity.Fingerprint, loaded.Fingerprint);
    }

    [Fact]
    public void A_second_identity_takes_force_and_is_another()
    {
        var first = _store.CreateIdentity();

        AssertFails(ErrorIds.TrustExists, () => _store.CreateIdentity());
        Assert.Equal(first, _store.GetIdentity());
        Assert.NotEqual(first.Fingerprint, _store.CreateIdentity(force: true).Fingerprint);
        Assert.Single(Directory.GetFiles(_store.Folder)); // nothing half done is left
    }

    [Fact]
    public async Task Of_many_who_make_one_at_once_one_does()
    {
        var made = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(() =>
        {
            try
            {
                return _store.CreateIdentity().Fingerprint;
            }
            catch (LvmException error) when (error.ErrorId == ErrorIds.TrustExists)
            {
                return null;
            }
        }, TestContext.Current.CancellationToken)));

        Assert.Equal(_store.GetIdentity().Fingerprint, Assert.Single(made, fingerprint => fingerprint is not null));
    }

    [Fact]
    public void A_peer_is_admitted_by_its_certificate_found_by_its_key_and_removed()
    {
        var there = _other.CreateIdentity();

        var admitted = _store.Admit("Host-B.example.org", there.Certificate!);

        Assert.Equal(("host-b.example.org", false, there.Fingerprint, there.Certificate), (admitted.Name, admitted.IsSelf, admitted.Fingerprint, admitted.Certificate));
        Assert.Equal(admitted, _store.GetPeer("HOST-B.EXAMPLE.ORG"));
        Assert.Equal(["host-b.example.org"], _store.ListPeers());
        Assert.Equal(admitted, _store.FindPeer(there.Fingerprint));
        _store.RemovePeer("host-B.example.org");
        Assert.Empty(_store.ListPeers());
        Assert.Null(_store.FindPeer(there.Fingerprint));
        AssertFails(ErrorIds.PeerUnknown, () => _store.RemovePeer("host-b.example.org"));
        AssertFails(ErrorIds.PeerUnknown, () => _store.GetPeer("host-b.example.org"));
    }

    [Fact]
    public void A_fingerprint_alone_will_do()
    {
        var there = _other.CreateIdentity();

        var admitted = _store.Admit("b", there.Fingerprint.Replace("SHA256:", "", StringComparison.Ordinal) + "=");

        Assert.Equal((there.Fingerprint, null), (admitted.Fingerprint, admitted.Certificate));
        Assert.Equal(admitted, _store.FindPeer(there.Fingerprint));
    }

    [Fact]
    public void What_is_kept_of_a_peer_is_its_certificate_and_not_the_key_that_lay_beside_it()
    {
        var there = _other.CreateIdentity();

        var admitted = _store.Admit("b", "Name: b\n" + File.ReadAllText(there.Path));

        Assert.Equal(there.Fingerprint, admitted.Fingerprint);
        Assert.DoesNotContain("PRIVATE", File.ReadAllText(admitted.Path), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_key_for_a_peer_takes_force()
    {
        _store.Admit("b", _other.CreateIdentity().Fingerprint);
        var anew = _other.CreateIdentity(force: true);

        AssertFails(ErrorIds.TrustExists, () => _store.Admit("B", anew.Fingerprint));
        Assert.Equal(anew.Fingerprint, _store.Admit("B", anew.Fingerprint, force: true).Fingerprint);
        Assert.Equal(["b"], _store.ListPeers());
    }

    [Theory]
    [InlineData("")]
    [InlineData("nothing")]
    [InlineData("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")]
    [InlineData("SHA256:tooshort")]
    public void What_is_no_certificate_and_no_fingerprint_admits_nobody(string credential)
    {
        AssertFails(ErrorIds.TrustInvalid, () => _store.Admit("b", credential));
        Assert.Empty(_store.ListPeers());
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("..", false)]
    [InlineData(".hidden", false)]
    [InlineData("-o", false)]
    [InlineData("a/b", false)]
    [InlineData("../../etc/passwd", false)]
    [InlineData("two words", false)]
    [InlineData("a\nb", false)]
    [InlineData("a*", false)]
    [InlineData("ä", false)]
    [InlineData("b", true)]
    [InlineData("host-2.example.org", true)]
    [InlineData("192.168.9.2", true)]
    [InlineData("fe80::1", true)]
    [InlineData("::1", true)]
    [InlineData("Rack_7", true)]
    public void A_name_cannot_lead_out_of_the_folder(string name, bool isValid)
    {
        Assert.Equal(isValid, PeerName.IsValid(name, out _));
        Assert.Equal(isValid, PeerName.IsValid(name + new string('x', PeerName.MaxLength - name.Length), out _) && name.Length > 0);
        Assert.False(PeerName.IsValid(name + new string('x', PeerName.MaxLength - name.Length + 1), out _));
        if (isValid) Assert.Equal(name.ToLowerInvariant(), _store.Admit(name, _other.CreateIdentity(force: true).Fingerprint).Name);
        else AssertFails(ErrorIds.TrustNameInvalid, () => _store.Admit(name, "nothing"));
    }

    [Fact]
    public void Trust_that_others_could_have_changed_or_read_is_none()
    {
        _store.CreateIdentity();
        _store.Admit("b", _other.CreateIdentity().Fingerprint);
        var folder = File.GetUnixFileMode(_store.Folder);

        File.SetUnixFileMode(_store.GetIdentity().Path, Owner | UnixFileMode.GroupRead);
        AssertFails(ErrorIds.TrustUnsafe, () => _store.LoadIdentity());
        File.SetUnixFileMode(_store.IdentityPath, Owner);
        File.SetUnixFileMode(_store.Folder, folder | UnixFileMode.OtherWrite);
        AssertFails(ErrorIds.TrustUnsafe, () => _store.LoadIdentity());
        AssertFails(ErrorIds.TrustUnsafe, () => _store.GetPeer("b"));
        AssertFails(ErrorIds.TrustUnsafe, () => _store.FindPeer("SHA256:"));
        AssertFails(ErrorIds.TrustUnsafe, () => _store.Admit("c", _other.GetIdentity().Fingerprint));
        File.SetUnixFileMode(_store.Folder, folder);
        Assert.Equal("b", _store.GetPeer("b").Name);

        var peers = Path.Combine(_store.Folder, "peers");
        folder = File.GetUnixFileMode(peers);
        File.SetUnixFileMode(peers, folder | UnixFileMode.GroupWrite);
        AssertFails(ErrorIds.TrustUnsafe, () => _store.GetPeer("b"));
        File.SetUnixFileMode(peers, folder);
        File.SetUnixFileMode(_store.GetPeer("b").Path, Owner | UnixFileMode.OtherWrite);
        AssertFails(ErrorIds.TrustUnsafe, () => _store.GetPeer("b"));
        AssertFails(ErrorIds.TrustUnsafe, () => _store.FindPeer("SHA256:"));
    }

    [Fact]
    public void A_damaged_file_is_named_and_the_other_peers_count()
    {
        _store.Admit("b", _other.CreateIdentity().Fingerprint);
        File.WriteAllText(Path.Combine(_store.Folder, "peers", "a.pem"), "half a fi");
        File.WriteAllText(Path.Combine(_store.Folder, "peers", "c.pem"), new string('x', 100_000));

        Assert.Contains("a.pem", AssertFails(ErrorIds.TrustInvalid, () => _store.GetPeer("a")).Message, StringComparison.Ordinal);
        AssertFails(ErrorIds.TrustInvalid, () => _store.GetPeer("c"));
        Assert.Equal("b", _store.FindPeer(_other.GetIdentity().Fingerprint)!.Name);
        File.WriteAllText(_store.IdentityPath, "gone");
        File.SetUnixFileMode(_store.IdentityPath, Owner);
        AssertFails(ErrorIds.TrustInvalid, () => _store.LoadIdentity());
        AssertFails(ErrorIds.TrustInvalid, () => _store.GetIdentity());
    }

    [Fact]
    public void The_identity_can_be_removed()
    {
        var identity = _store.CreateIdentity();

        Assert.Equal(identity, _store.RemoveIdentity());
        AssertFails(ErrorIds.TrustMissing, () => _store.RemoveIdentity());
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_named()
    {
        var file = Path.Combine(_folder.FullName, "file");
        File.WriteAllText(file, "");

        Assert.Contains(file, AssertFails(ErrorIds.TrustInaccessible, () => new TrustStore(Path.Combine(file, "trust")).CreateIdentity()).Message, StringComparison.Ordinal);
    }

    private static LvmException AssertFails(string id, Func<object?> action)
    {
        var error = Assert.ThrowsAny<LvmException>(action);
        Assert.Equal(id, error.ErrorId);
        return error;
    }

    private static LvmException AssertFails(string id, Action action) => AssertFails(id, () =>
    {
        action();
        return null;
    });
}
