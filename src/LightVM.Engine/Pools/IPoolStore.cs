using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Services;

namespace LightVM.Pools;

/// <summary>Where the definitions of pools are kept.</summary>
internal interface IPoolStore
{
    /// <summary>All definitions that make sense, and what is wrong with the others.</summary>
    (IReadOnlyList<PoolDefinition> Pools, IReadOnlyList<string> Problems) Load();

    void Save(PoolDefinition pool);

    void Remove(string name);
}

/// <summary>Nowhere: they last as long as the keeper.</summary>
internal sealed class MemoryPoolStore : IPoolStore
{
    private readonly Dictionary<string, PoolDefinition> _pools = new(StringComparer.Ordinal);

    public (IReadOnlyList<PoolDefinition> Pools, IReadOnlyList<string> Problems) Load() => (_pools.Values.ToList(), []);

    public void Save(PoolDefinition pool) => _pools[pool.Name] = pool;

    public void Remove(string name) => _pools.Remove(name);
}

/// <summary>A folder with a file NAME.json of each.</summary>
internal sealed class FilePoolStore(string? folder = null) : IPoolStore
{
    /// <summary>Names another folder than the usual one.</summary>
    public const string FolderVariable = "LIGHTVM_POOLS";

    public const string UsualFolder = "/etc/lightvm/pools";

    private readonly string _folder = folder ?? (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named ? named : UsualFolder);

    public (IReadOnlyList<PoolDefinition> Pools, IReadOnlyList<string> Problems) Load()
    {
        var pools = new List<PoolDefinition>();
        var problems = new List<string>();
        if (!Directory.Exists(_folder)) return (pools, problems);
        foreach (var path in Directory.EnumerateFiles(_folder, "*.json").Order(StringComparer.Ordinal))
        {
            try
            {
                using var document = DaemonProtocol.Parse(File.ReadAllBytes(path));
                if (document.RootElement.ValueKind != JsonValueKind.Object) throw DaemonProtocol.Invalid("a pool is an object");
                var pool = PoolJson.ReadDefinition(document.RootElement).Checked();
                if (pool.Name != Path.GetFileNameWithoutExtension(path)) throw DaemonProtocol.Invalid($"it is the pool '{DaemonProtocol.Quoted(pool.Name)}' by its name");
                pools.Add(pool);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or DaemonRefusal or LvmException)
            {
                problems.Add($"'{path}' is passed over: {(error as LvmException)?.Problem ?? error.Message}");
            }
        }

        return (pools, problems);
    }

    public void Save(PoolDefinition pool)
    {
        try
        {
            Directory.CreateDirectory(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            DomainConfigFile.Write(PoolJson.Document(json => PoolJson.Write(json, pool), indented: true), PathOf(pool.Name), overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidConfigException)
        {
            throw Failure(error);
        }
    }

    public void Remove(string name)
    {
        try
        {
            if (Directory.Exists(_folder)) File.Delete(PathOf(name));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Failure(error);
        }
    }

    private string PathOf(string name) => Path.Combine(_folder, name + ".json");

    private LvmException Failure(Exception error) => new(ErrorIds.HostFileFailure, $"the pool cannot be kept in '{_folder}': {error.Message.TrimEnd('.')}", error);
}
