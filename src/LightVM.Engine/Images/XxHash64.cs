using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LightVM.Images;

/// <summary>
/// XXH64, the checksum of images' parts: the algorithm that Yann Collet published (doc/xxhash_spec.md of the xxHash project), with
/// seed 0. It takes 64-bit multiplications and nothing else, which every processor does fast, emulated ones too. Any change within
/// one aligned group of eight bytes is certain to be seen; others go unseen once in 2^64. It is no protection against forgery.
/// </summary>
internal sealed class XxHash64
{
    private const ulong Prime1 = 0x9E3779B185EBCA87;
    private const ulong Prime2 = 0xC2B2AE3D27D4EB4F;
    private const ulong Prime3 = 0x165667B19E3779F9;
    private const ulong Prime4 = 0x85EBCA77C2B2AE63;
    private const ulong Prime5 = 0x27D4EB2F165667C5;

    /// <summary>Bytes that are taken at a time: a lane of eight for each of four sums.</summary>
    private const int Stripe = 32;

    private readonly byte[] _pending = new byte[Stripe];
    private int _pendingLength;
    private ulong _length;
    private ulong _sum1 = unchecked(Prime1 + Prime2);
    private ulong _sum2 = Prime2;
    private ulong _sum3;
    private ulong _sum4 = unchecked(0 - Prime1);

    /// <summary>The checksum of some bytes.</summary>
    public static ulong Of(ReadOnlySpan<byte> bytes)
    {
        var hash = new XxHash64();
        hash.Append(bytes);
        return hash.Value;
    }

    /// <summary>Adds bytes. How they are cut into pieces makes no difference.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        _length += (ulong)bytes.Length;
        if (_pendingLength > 0)
        {
            var count = Math.Min(Stripe - _pendingLength, bytes.Length);
            bytes[..count].CopyTo(_pending.AsSpan(_pendingLength));
            _pendingLength += count;
            bytes = bytes[count..];
            if (_pendingLength < Stripe) return;
            AppendStripes(_pending);
            _pendingLength = 0;
        }

        var whole = bytes.Length & ~(Stripe - 1);
        AppendStripes(bytes[..whole]);
        bytes[whole..].CopyTo(_pending);
        _pendingLength = bytes.Length - whole;
    }

    /// <summary>The checksum of all bytes so far; more may follow.</summary>
    public ulong Value
    {
        get
        {
            var value = Prime5;
            if (_length >= Stripe)
            {
                value = BitOperations.RotateLeft(_sum1, 1) + BitOperations.RotateLeft(_sum2, 7) + BitOperations.RotateLeft(_sum3, 12) + BitOperations.RotateLeft(_sum4, 18);
                value = Merge(Merge(Merge(Merge(value, _sum1), _sum2), _sum3), _sum4);
            }

            value += _length;
            ReadOnlySpan<byte> rest = _pending.AsSpan(0, _pendingLength);
            for (; rest.Length >= 8; rest = rest[8..])
                value = BitOperations.RotateLeft(value ^ Round(0, BinaryPrimitives.ReadUInt64LittleEndian(rest)), 27) * Prime1 + Prime4;
            if (rest.Length >= 4)
            {
                value = BitOperations.RotateLeft(value ^ (BinaryPrimitives.ReadUInt32LittleEndian(rest) * Prime1), 23) * Prime2 + Prime3;
                rest = rest[4..];
            }

            foreach (var last in rest) value = BitOperations.RotateLeft(value ^ (last * Prime5), 11) * Prime1;
            return Avalanche(value);
        }
    }

    /// <summary>Whole stripes: the part that has to be fast. x86 is little-endian and reads at any address.</summary>
    private void AppendStripes(ReadOnlySpan<byte> stripes)
    {
        var (sum1, sum2, sum3, sum4) = (_sum1, _sum2, _sum3, _sum4);
        ref var lane = ref MemoryMarshal.GetReference(stripes);
        for (nint at = 0; at < stripes.Length; at += Stripe)
        {
            sum1 = Round(sum1, Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref lane, at)));
            sum2 = Round(sum2, Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref lane, at + 8)));
            sum3 = Round(sum3, Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref lane, at + 16)));
            sum4 = Round(sum4, Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref lane, at + 24)));
        }

        (_sum1, _sum2, _sum3, _sum4) = (sum1, sum2, sum3, sum4);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Round(ulong sum, ulong lane) => BitOperations.RotateLeft(sum + lane * Prime2, 31) * Prime1;

    private static ulong Merge(ulong value, ulong sum) => (value ^ Round(0, sum)) * Prime1 + Prime4;

    private static ulong Avalanche(ulong value)
    {
        value = (value ^ (value >> 33)) * Prime2;
        value = (value ^ (value >> 29)) * Prime3;
        return value ^ (value >> 32);
    }
}
