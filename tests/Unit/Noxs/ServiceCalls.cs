using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>The five calls, as bytes.</summary>
internal static class ServiceCalls
{
    public static int Do<T>(this NoxsService service, uint call, ref T argument)
        where T : unmanaged =>
        service.Call(call, MemoryMarshal.AsBytes(new Span<T>(ref argument)), process: 1);

    public static DevicePlace Sysctl(this NoxsService service, ushort domain = 7) => service.Create(new CreateArgument { Type = DeviceType.Sysctl, Frontend = domain });

    public static DevicePlace Vif(this NoxsService service, uint id = 0, ushort domain = 7, string? bridge = "xenbr0") => service.Create(new CreateArgument
    {
        Type = DeviceType.Vif,
        Frontend = domain,
        Id = id,
        Settings = new DeviceSettings { Vif = VifSettings.Of("00:16:3e:00:00:07", null, bridge) },
    });

    public static DevicePlace Vbd(this NoxsService service, uint disk, VbdMode mode = VbdMode.ReadWrite, uint id = 51712, ushort domain = 7) =>
        service.Create(CreateArgument.Vbd(domain, id, new VbdSettings { Minor = disk, Type = VbdType.Physical, Mode = mode }));

    public static DevicePlace Create(this NoxsService service, CreateArgument argument)
    {
        Assert.Equal(0, service.Do(NoxsCalls.Create, ref argument));
        return new DevicePlace(argument.Id, argument.Grant, argument.Port);
    }

    public static int Destroy(this NoxsService service, DeviceType type, uint id = 0, ushort domain = 7)
    {
        var argument = new DestroyArgument { Type = type, Frontend = domain, Id = id };
        return service.Do(NoxsCalls.Destroy, ref argument);
    }

    public static int AskToLetGo(this NoxsService service, DeviceType type, uint id = 0, ushort domain = 7)
    {
        var argument = new DestroyArgument { Type = type, Frontend = domain, Id = id };
        return service.Do(NoxsCalls.AskToLetGo, ref argument);
    }

    public static int TellOfPage(this NoxsService service, ushort domain = 7)
    {
        var argument = new CloseArgument { Domain = domain };
        return service.Do(NoxsCalls.TellOfPage, ref argument);
    }

    /// <summary>Of a domain's only device of a type.</summary>
    public static unsafe SideState StateOf(this NoxsService service, DeviceType type, ushort domain = 7)
    {
        var argument = new StatesArgument { Type = type, Frontend = domain };
        Assert.Equal(0, service.Do(NoxsCalls.States, ref argument));
        Assert.Equal(1u, argument.Count);
        return (SideState)argument.States[0];
    }

    public static unsafe uint[] List(this NoxsService service, DeviceType type, ushort domain = 7)
    {
        var argument = new ListArgument { Type = type, Frontend = domain };
        Assert.Equal(0, service.Do(NoxsCalls.List, ref argument));
        return new ReadOnlySpan<uint>(argument.Ids, (int)argument.Count).ToArray();
    }

    public static int Close(this NoxsService service, CloseRequest request, ushort domain = 7)
    {
        var argument = new CloseArgument { Request = request, Domain = domain };
        return service.Do(NoxsCalls.GuestClose, ref argument);
    }
}
