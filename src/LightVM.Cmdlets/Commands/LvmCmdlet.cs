using System.Management.Automation;
using LightVM.Cmdlets.Connection;
using LightVM.Cmdlets.Errors;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Cmdlets.Commands;

/// <summary>What all cmdlets share: the host, errors, paths.</summary>
public abstract class LvmCmdlet : PSCmdlet
{
    /// <summary>The current host, opened on first need. Without a host no item of a pipeline can succeed: that ends the command.</summary>
    private protected LvmHost CurrentHost
    {
        get
        {
            try
            {
                return HostConnection.Session.Require().Host;
            }
            catch (LvmException error)
            {
                ThrowTerminatingError(ToRecord(error, null));
                throw; // not reached
            }
        }
    }

    /// <summary>Does one item's work; its failure is reported and does not keep the next from being done.</summary>
    private protected void ForItem(object target, Action work)
    {
        try
        {
            work();
        }
        catch (LvmException error)
        {
            WriteError(ToRecord(error, target));
        }
    }

    private protected static ErrorRecord ToRecord(LvmException error, object? target)
    {
        var fields = ErrorFields.Of(error, target);
        return new ErrorRecord(error, fields.Id, fields.Category, fields.Target)
        {
            ErrorDetails = new ErrorDetails(fields.Message) { RecommendedAction = fields.RecommendedAction },
        };
    }

    private protected bool IsGiven(string parameter) => MyInvocation.BoundParameters.ContainsKey(parameter);

    private protected T? Given<T>(string parameter, T value)
        where T : struct => IsGiven(parameter) ? value : null;

    /// <summary>PowerShell's current directory, which is not the process's.</summary>
    private protected string CurrentDirectory => SessionState.Path.CurrentFileSystemLocation.ProviderPath;

    /// <summary>The path that a user means by a text without wildcards: relative to the current location, with ~ and drives of PowerShell.</summary>
    private protected string ToFilePath(string path)
    {
        if (Path.IsPathRooted(path)) return path;
        var resolved = SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out var provider, out _);
        return provider.Name == "FileSystem" ? resolved : Path.GetFullPath(path, CurrentDirectory);
    }

    /// <summary>The files that paths with wildcards name. One without any is a file that may not exist: reading it tells.</summary>
    private protected IEnumerable<string> ToFilePaths(IEnumerable<string> paths) =>
        paths.SelectMany(path => WildcardPattern.ContainsWildcardCharacters(path)
            ? GetResolvedProviderPathFromPSPath(path, out _)
            : [ToFilePath(WildcardPattern.Unescape(path))]);

    /// <summary>The files of a path parameter as Get-ChildItem hands them over, "Microsoft.PowerShell.Core\FileSystem::/tmp/x".</summary>
    private protected IEnumerable<string> ToLiteralFilePaths(IEnumerable<string> paths) =>
        paths.Select(path => Path.IsPathRooted(path) ? path : SessionState.Path.GetUnresolvedProviderPathFromPSPath(path));
}
