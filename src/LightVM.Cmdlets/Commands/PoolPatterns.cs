using System.Management.Automation;
using LightVM.Hosts;
using LightVM.Pools;

namespace LightVM.Cmdlets.Commands;

/// <summary>Finds pools by names as users give them: a pattern that matches nothing is no error, a name is.</summary>
internal static class PoolPatterns
{
    /// <summary>Errors: PoolNotFound, PoolDaemonUnavailable.</summary>
    public static IReadOnlyList<Pool> Find(LvmHost host, string name)
    {
        if (!WildcardPattern.ContainsWildcardCharacters(name)) return [host.Pools.Get(name)];
        var pattern = WildcardPattern.Get(name, WildcardOptions.None);
        return host.Pools.List().Where(pool => pattern.IsMatch(pool.Name)).ToList();
    }
}
