using System.Globalization;
using LightVM.Errors;
using LightVM.Trust;

namespace LightVM.Migration;

/// <summary>Where a domain shall go, and on which way.</summary>
public sealed record MigrationTarget
{
    private const string PeerKey = "peer=";
    private const string InsecureWord = "insecure";

    /// <summary>Name or address of the host; for ssh as ssh has it, with USER@ before it or not.</summary>
    public required string Host { get; init; }

    public MigrationTransport Transport { get; init; } = MigrationTransport.Tls;

    /// <summary>Null: <see cref="MigrationPort.Default"/>, or for ssh what its configuration says.</summary>
    public int? Port { get; init; }

    /// <summary>Over TLS the name under which the host's key is listed here, where that is not <see cref="Host"/>.</summary>
    public string? PeerName { get; init; }

    /// <summary>Whether plain TCP may leave this machine.</summary>
    public bool Insecure { get; init; }

    /// <summary>Reads what <see cref="ToString"/> has written, with or without its scheme. Errors: HostNameInvalid.</summary>
    public static MigrationTarget Parse(string text)
    {
        var rest = text;
        var transport = MigrationTransport.Tls;
        if (rest.IndexOf("://", StringComparison.Ordinal) is var scheme and > 0)
        {
            if (!Enum.TryParse(rest[..scheme], ignoreCase: true, out transport) || char.IsAsciiDigit(rest[0])) throw Invalid(text, $"'{rest[..scheme]}' is neither tls nor ssh nor plain");
            rest = rest[(scheme + 3)..];
        }

        string? peer = null;
        var insecure = false;
        if (rest.IndexOf('?', StringComparison.Ordinal) is var query and >= 0)
        {
            foreach (var word in rest[(query + 1)..].Split('&'))
            {
                if (word == InsecureWord) insecure = true;
                else if (word.StartsWith(PeerKey, StringComparison.Ordinal)) peer = word[PeerKey.Length..];
                else throw Invalid(text, $"'{word}' is neither {InsecureWord} nor {PeerKey}NAME");
            }

            rest = rest[..query];
        }

        int? port = null;
        // An address of IPv6 has colons of its own, and stands in brackets where a port follows.
        if (rest.LastIndexOf(':') is var colon and > 0 && (rest.IndexOf(':', StringComparison.Ordinal) == colon || rest[colon - 1] == ']'))
        {
            if (!int.TryParse(rest[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 65535) throw Invalid(text, "its port is not a number from 1 to 65535");
            port = number;
            rest = rest[..colon];
        }

        if (rest.Length == 0) throw Invalid(text, "it names no host");
        return new MigrationTarget { Host = rest, Transport = transport, Port = port, PeerName = peer, Insecure = insecure };
    }

    /// <summary>"tls://host:8517?peer=name".</summary>
    public override string ToString()
    {
        var words = new[] { PeerName is null ? null : PeerKey + PeerName, Insecure ? InsecureWord : null }.Where(word => word is not null).ToList();
        var host = Port is not null && Host.Contains(':', StringComparison.Ordinal) && !Host.EndsWith(']') ? $"[{Host}]" : Host;
        return $"{Transport.ToString().ToLowerInvariant()}://{host}{(Port is { } port ? $":{port}" : "")}{(words.Count > 0 ? "?" : "")}{string.Join('&', words)}";
    }

    /// <summary>Makes the connection. Errors: those of the transport.</summary>
    internal MigrationLink Connect(TimeSpan timeout, CancellationToken cancellation)
    {
        var address = Host is ['[', .. var inner, ']'] ? inner : Host;
        return Transport switch
        {
            MigrationTransport.Tls => TlsTransport.Connect(new TrustStore(), address, Port ?? MigrationPort.Default, PeerName, timeout, cancellation),
            MigrationTransport.Ssh => SshTransport.Connect(Host, Port, timeout),
            _ => PlainTransport.Connect(address, Port ?? MigrationPort.Default, Insecure, timeout, cancellation),
        };
    }

    private static LvmException Invalid(string text, string why) => new(ErrorIds.HostNameInvalid, $"'{text}' names no host to go to: {why}");
}
