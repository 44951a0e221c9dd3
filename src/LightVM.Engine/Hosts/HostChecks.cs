namespace LightVM.Hosts;

public static class HostChecks
{
    /// <summary>Looks at this machine: is it a dom0, which Xen, which libraries, which daemons, which privileges. Never throws.</summary>
    public static IReadOnlyList<HostCheck> RunLocal() => throw new NotImplementedException();
}
