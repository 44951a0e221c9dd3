using LightVM.Devices;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Contract;

/// <summary>The host that the contract is tried on, with its two halves in reach.</summary>
public abstract class ContractHost : IDisposable
{
    private readonly string _folder = System.IO.Directory.CreateTempSubdirectory("lightvm-contract-").FullName;

    private protected ContractHost(IHypervisor hypervisor, IDomainDirectory directory, IDeviceBus bus)
    {
        Hypervisor = hypervisor;
        Directory = directory;
        Bus = bus;
        Host = new LvmHost(hypervisor, directory, bus);
    }

    public LvmHost Host { get; }

    public IHypervisor Hypervisor { get; }

    public IDomainDirectory Directory { get; }

    public IDeviceBus Bus { get; }

    /// <summary>A kernel whose command line knows "off", "reboot", "crash" and "spin", for guests of 4 MiB.</summary>
    public abstract string Kernel { get; }

    /// <summary>Whether packed kernels are unpacked before they are believed.</summary>
    public abstract bool UnpacksKernels { get; }

    /// <summary>All that a domain could leave behind, as text that is the same when nothing was.</summary>
    public abstract string DescribeTraces();

    public string WriteFile(string name, ReadOnlySpan<byte> content)
    {
        var path = Path.Combine(_folder, name);
        using var file = File.Create(path);
        file.Write(content);
        return path;
    }

    public virtual void Dispose()
    {
        Host.Dispose();
        System.IO.Directory.Delete(_folder, recursive: true);
        GC.SuppressFinalize(this);
    }
}
