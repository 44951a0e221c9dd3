using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace LightVM.Host.Devices;

/// <summary>Who may talk to the daemon: a user, and the members of a group where one is named. The kernel says who the other end is.</summary>
/// <param name="User">The user who may: root.</param>
/// <param name="Group">The group whose members may; null for none.</param>
internal sealed record PeerPolicy(uint User = 0, uint? Group = null)
{
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const int PeerGroups = 59;
    private const int MaxGroups = 65536;

    /// <summary>Whether a client may; the description is for the log.</summary>
    public bool Allows(Socket client, out string description)
    {
        Span<int> credentials = stackalloc int[3]; // struct ucred: process, user, group
        client.GetRawSocketOption(SocketLevel, PeerCredentials, MemoryMarshal.AsBytes(credentials));
        uint user = (uint)credentials[1], group = (uint)credentials[2];
        description = string.Create(CultureInfo.InvariantCulture, $"process {credentials[0]} of user {user}");
        return user == User || (Group is { } allowed && (group == allowed || GroupsOf(client).Contains(allowed)));
    }

    /// <summary>The other groups of the client.</summary>
    private static uint[] GroupsOf(Socket client)
    {
        var groups = new uint[MaxGroups];
        try
        {
            var bytes = client.GetRawSocketOption(SocketLevel, PeerGroups, MemoryMarshal.AsBytes(groups.AsSpan()));
            return groups[..(bytes / sizeof(uint))];
        }
        catch (SocketException)
        {
            return []; // a kernel older than 4.13 does not say
        }
    }
}
