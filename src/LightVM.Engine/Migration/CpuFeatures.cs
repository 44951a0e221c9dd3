using LightVM.Hypervisor;

namespace LightVM.Migration;

/// <summary>What a guest has been shown of the CPU, by the bits of CPUID that stand for a feature each.</summary>
internal static class CpuFeatures
{
    private enum Register
    {
        Eax,
        Ebx,
        Ecx,
        Edx,
    }

    /// <summary>Bits of leaf 0x80000001 that repeat those of leaf 1 on AMD's CPUs, and on others nothing (CPUID_COMMON_1D_FEATURES of Xen).</summary>
    private const uint CommonFeatures = 0x0183_f3ff;

    /// <summary>
    /// Where features are told (xen/include/public/arch-x86/cpufeatureset.h), and which of those bits tell something else: what the
    /// operating system has switched on (OSXSAVE, OSPKE, APIC), and that there is a hypervisor.
    /// </summary>
    private static readonly (uint Leaf, uint Subleaf, Register Register, uint NoFeatures)[] Words =
    [
        (1, 0, Register.Edx, 1u << 9),
        (1, 0, Register.Ecx, 1u << 27 | 1u << 31),
        (0x8000_0001, 0, Register.Edx, CommonFeatures),
        (0x8000_0001, 0, Register.Ecx, 0),
        (0xd, 1, Register.Eax, 0),
        (7, 0, Register.Ebx, 0),
        (7, 0, Register.Ecx, 1u << 4),
        (0x8000_0007, 0, Register.Edx, 0),
        (0x8000_0008, 0, Register.Ebx, 0),
        (7, 0, Register.Edx, 0),
        (7, 1, Register.Eax, 0),
        (0x8000_0021, 0, Register.Eax, 0),
    ];

    /// <summary>Names of those that are asked for by name; the others are called by their bits. As the manuals of AMD and Intel call them.</summary>
    private static readonly Dictionary<(uint Leaf, uint Subleaf, Register Register, int Bit), string> Names = new()
    {
        [(1, 0, Register.Ecx, 0)] = "SSE3",
        [(1, 0, Register.Ecx, 1)] = "PCLMULQDQ",
        [(1, 0, Register.Ecx, 9)] = "SSSE3",
        [(1, 0, Register.Ecx, 12)] = "FMA",
        [(1, 0, Register.Ecx, 13)] = "CMPXCHG16B",
        [(1, 0, Register.Ecx, 17)] = "PCID",
        [(1, 0, Register.Ecx, 19)] = "SSE4.1",
        [(1, 0, Register.Ecx, 20)] = "SSE4.2",
        [(1, 0, Register.Ecx, 21)] = "X2APIC",
        [(1, 0, Register.Ecx, 22)] = "MOVBE",
        [(1, 0, Register.Ecx, 23)] = "POPCNT",
        [(1, 0, Register.Ecx, 24)] = "TSC-DEADLINE",
        [(1, 0, Register.Ecx, 25)] = "AESNI",
        [(1, 0, Register.Ecx, 26)] = "XSAVE",
        [(1, 0, Register.Ecx, 28)] = "AVX",
        [(1, 0, Register.Ecx, 29)] = "F16C",
        [(1, 0, Register.Ecx, 30)] = "RDRAND",
        [(7, 0, Register.Ebx, 0)] = "FSGSBASE",
        [(7, 0, Register.Ebx, 3)] = "BMI1",
        [(7, 0, Register.Ebx, 4)] = "HLE",
        [(7, 0, Register.Ebx, 5)] = "AVX2",
        [(7, 0, Register.Ebx, 7)] = "SMEP",
        [(7, 0, Register.Ebx, 8)] = "BMI2",
        [(7, 0, Register.Ebx, 9)] = "ERMS",
        [(7, 0, Register.Ebx, 10)] = "INVPCID",
        [(7, 0, Register.Ebx, 11)] = "RTM",
        [(7, 0, Register.Ebx, 16)] = "AVX512F",
        [(7, 0, Register.Ebx, 17)] = "AVX512DQ",
        [(7, 0, Register.Ebx, 18)] = "RDSEED",
        [(7, 0, Register.Ebx, 19)] = "ADX",
        [(7, 0, Register.Ebx, 20)] = "SMAP",
        [(7, 0, Register.Ebx, 21)] = "AVX512IFMA",
        [(7, 0, Register.Ebx, 23)] = "CLFLUSHOPT",
        [(7, 0, Register.Ebx, 24)] = "CLWB",
        [(7, 0, Register.Ebx, 28)] = "AVX512CD",
        [(7, 0, Register.Ebx, 29)] = "SHA",
        [(7, 0, Register.Ebx, 30)] = "AVX512BW",
        [(7, 0, Register.Ebx, 31)] = "AVX512VL",
        [(7, 0, Register.Ecx, 2)] = "UMIP",
        [(7, 0, Register.Ecx, 3)] = "PKU",
        [(7, 0, Register.Ecx, 8)] = "GFNI",
        [(7, 0, Register.Ecx, 9)] = "VAES",
        [(7, 0, Register.Ecx, 10)] = "VPCLMULQDQ",
        [(7, 0, Register.Ecx, 22)] = "RDPID",
        [(7, 0, Register.Edx, 26)] = "IBRS/IBPB",
        [(7, 0, Register.Edx, 27)] = "STIBP",
        [(7, 0, Register.Edx, 28)] = "L1D-FLUSH",
        [(7, 0, Register.Edx, 29)] = "ARCH-CAPABILITIES",
        [(7, 0, Register.Edx, 31)] = "SSBD",
        [(0xd, 1, Register.Eax, 0)] = "XSAVEOPT",
        [(0xd, 1, Register.Eax, 1)] = "XSAVEC",
        [(0xd, 1, Register.Eax, 3)] = "XSAVES",
        [(0x8000_0001, 0, Register.Ecx, 5)] = "LZCNT",
        [(0x8000_0001, 0, Register.Ecx, 6)] = "SSE4A",
        [(0x8000_0001, 0, Register.Ecx, 8)] = "PREFETCHW",
        [(0x8000_0001, 0, Register.Ecx, 11)] = "XOP",
        [(0x8000_0001, 0, Register.Ecx, 16)] = "FMA4",
        [(0x8000_0001, 0, Register.Ecx, 21)] = "TBM",
        [(0x8000_0001, 0, Register.Edx, 11)] = "SYSCALL",
        [(0x8000_0001, 0, Register.Edx, 20)] = "NX",
        [(0x8000_0001, 0, Register.Edx, 26)] = "1-GIB-PAGES",
        [(0x8000_0001, 0, Register.Edx, 27)] = "RDTSCP",
        [(0x8000_0007, 0, Register.Edx, 8)] = "INVARIANT-TSC",
        [(0x8000_0008, 0, Register.Ebx, 0)] = "CLZERO",
        [(0x8000_0008, 0, Register.Ebx, 9)] = "WBNOINVD",
        [(0x8000_0008, 0, Register.Ebx, 12)] = "IBPB",
    };

    /// <summary>The features that a guest has been shown and a host cannot show, by their names.</summary>
    public static IReadOnlyList<string> Missing(IReadOnlyList<CpuidLeaf> guest, IReadOnlyList<CpuidLeaf> host)
    {
        var missing = new List<string>();
        foreach (var (leaf, subleaf, register, noFeatures) in Words)
        {
            var lacking = Read(guest, leaf, subleaf, register) & ~Read(host, leaf, subleaf, register) & ~noFeatures;
            for (var bit = 0; bit < 32; bit++)
            {
                if ((lacking >> bit & 1) == 0) continue;
                missing.Add(Names.GetValueOrDefault((leaf, subleaf, register, bit)) ?? $"CPUID.{leaf:X}{(subleaf > 0 ? $".{subleaf}" : "")}:{register.ToString().ToUpperInvariant()}[{bit}]");
            }
        }

        return missing;
    }

    private static uint Read(IReadOnlyList<CpuidLeaf> leaves, uint leaf, uint subleaf, Register register)
    {
        foreach (var each in leaves)
        {
            // Leaves without parts have one number for all of them.
            if (each.Leaf != leaf || (each.Subleaf != subleaf && each.Subleaf != uint.MaxValue)) continue;
            return register switch
            {
                Register.Eax => each.Eax,
                Register.Ebx => each.Ebx,
                Register.Ecx => each.Ecx,
                _ => each.Edx,
            };
        }

        return 0;
    }
}
