using System.Buffers.Binary;
using System.Security.Cryptography;

namespace LightVM.Host.Devices;

/// <summary>Addresses in Xen's range (00:16:3e), from the domain and the interface: the same ones get the same again, on every host.</summary>
internal static class MacGenerator
{
    /// <param name="attempt">From 0: each gives another address, for where the ones before are taken.</param>
    public static string Make(Guid domain, int id, int attempt)
    {
        Span<byte> seed = stackalloc byte[16 + sizeof(int) + sizeof(int)];
        domain.TryWriteBytes(seed, bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(seed[16..], id);
        BinaryPrimitives.WriteInt32BigEndian(seed[20..], attempt);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(seed, hash);
        // The upper half of the range is left alone, as libxl does.
        return $"00:16:3e:{hash[0] & 0x7f:x2}:{hash[1]:x2}:{hash[2]:x2}";
    }
}
