using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Cmdlets.Configuration;

/// <summary>What Test-LvmDomainConfig says of one file.</summary>
/// <param name="Path">The file.</param>
/// <param name="IsValid">Whether New-LvmDomain would take it.</param>
/// <param name="ErrorId">The id of the error that New-LvmDomain would report; null when it is valid.</param>
/// <param name="Errors">Everything that is wrong, in the order of the file; empty when it is valid.</param>
/// <param name="Config">The configuration; null when it is not valid.</param>
public sealed record DomainConfigTestResult(string Path, bool IsValid, string? ErrorId, IReadOnlyList<ConfigError> Errors, DomainConfig? Config)
{
    internal static DomainConfigTestResult Of(string path)
    {
        try
        {
            return new DomainConfigTestResult(path, true, null, [], DomainConfigJson.ReadFile(path));
        }
        catch (LvmException error)
        {
            var errors = error is InvalidConfigException invalid ? invalid.Errors : [new ConfigError("$", error.Problem)];
            return new DomainConfigTestResult(path, false, error.ErrorId, errors, null);
        }
    }
}
