namespace LightVM.Trust;

/// <summary>A host that is trusted, or this host itself.</summary>
public sealed record TrustEntry
{
    /// <summary>The peer's name, in lower case; this host's own name when its identity was made.</summary>
    public required string Name { get; init; }

    /// <summary>Whether this is this host's own identity.</summary>
    public required bool IsSelf { get; init; }

    /// <summary>"SHA256:" and base64: see <see cref="Trust.Fingerprint"/>.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>The certificate as PEM, without any key; null for a peer of whom only the fingerprint is known.</summary>
    public string? Certificate { get; init; }

    /// <summary>When this identity was made, or the peer admitted.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>The file that it is kept in. This host's own has the private key, too.</summary>
    public required string Path { get; init; }

    public override string ToString() => Name;
}
