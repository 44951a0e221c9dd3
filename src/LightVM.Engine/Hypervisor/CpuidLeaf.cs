using System.Runtime.InteropServices;

namespace LightVM.Hypervisor;

/// <summary>One answer of the CPUID instruction (xen_cpuid_leaf_t, xen/include/public/arch-x86).</summary>
/// <param name="Leaf">EAX of the question.</param>
/// <param name="Subleaf">ECX of the question; 0xffffffff where it makes no difference.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct CpuidLeaf(uint Leaf, uint Subleaf, uint Eax, uint Ebx, uint Ecx, uint Edx);
