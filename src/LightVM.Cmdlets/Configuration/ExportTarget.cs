using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Cmdlets.Configuration;

/// <summary>Where Export-LvmDomainConfig writes: one file for one configuration, or a directory with NAME.json for each.</summary>
internal sealed class ExportTarget(string path)
{
    private readonly bool _isDirectory = Directory.Exists(path);
    private bool _used;

    /// <summary>The file for the next configuration. Errors: ConfigNotWritable when a single file was used already.</summary>
    public string FileFor(DomainConfig config)
    {
        if (_isDirectory) return Path.Combine(path, config.Name + ".json");
        if (_used)
            throw new InvalidConfigException(ErrorIds.ConfigNotWritable, path, [new ConfigError("$", "holds one configuration already; name a directory to write several")]);
        _used = true;
        return path;
    }
}
