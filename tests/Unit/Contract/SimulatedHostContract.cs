using System.Buffers.Binary;
using LightVM.Contract;
using LightVM.Simulation;

namespace LightVM.Unit.Contract;

/// <summary>The contract, kept by the simulated host.</summary>
public sealed class SimulatedHostContract() : HostContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())));

internal sealed class SimulatedContractHost : ContractHost
{
    private readonly SimulatedMachine _machine;

    public SimulatedContractHost(SimulatedMachine machine)
        : base(new SimulatedHypervisor(machine), new SimulatedDirectory())
    {
        _machine = machine;
        Kernel = WriteFile("tiny.elf", TinyElf());
    }

    public override string Kernel { get; }

    public override bool UnpacksKernels => false;

    public override string DescribeTraces() => $"domains: {string.Join(", ", _machine.Domains.Select(domain => domain.Key))}; free: {_machine.FreeMemoryKiB} KiB";

    /// <summary>The least that is a PV kernel: an ELF header, one segment, one Xen note.</summary>
    private static byte[] TinyElf()
    {
        var image = new byte[1024];
        void U16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), value);
        void U32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), value);
        void U64(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(at), value);

        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(image, 0);
        U16(16, 2); // executable
        U16(18, 62); // x86-64
        U32(20, 1);
        U64(32, 64); // program headers
        U16(52, 64);
        U16(54, 56);
        U16(56, 2);
        // PT_LOAD: the whole file, and as much again of zeros
        U32(64, 1);
        U64(64 + 32, (ulong)image.Length);
        U64(64 + 40, (ulong)image.Length * 2);
        // PT_NOTE: XEN_ELFNOTE_ENTRY
        U32(120, 4);
        U64(120 + 8, 512);
        U64(120 + 32, 24);
        U32(512, 4);
        U32(516, 8);
        U32(520, 1);
        "Xen\0"u8.CopyTo(image.AsSpan(524));
        return image;
    }
}
