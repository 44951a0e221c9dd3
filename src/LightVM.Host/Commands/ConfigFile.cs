using LightVM.Configuration;

namespace LightVM.Host.Commands;

/// <summary>Configurations that come from a file, so that each error can be told with its place in it.</summary>
internal static class ConfigFile
{
    public static DomainConfig Read(string path) => Naming(path, () => DomainConfigJson.ReadFile(path));

    public static DomainConfig From(string path, DomainConfigDraft draft) => Naming(path, () => DomainConfig.From(draft, path));

    private static DomainConfig Naming(string path, Func<DomainConfig> make)
    {
        try
        {
            return make();
        }
        catch (InvalidConfigException error)
        {
            error.Source = path;
            throw;
        }
    }
}
