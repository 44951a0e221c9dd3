using System.Collections.ObjectModel;
using System.Management.Automation;
using LightVM.Cmdlets.Connection;
using LightVM.Cmdlets.Errors;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Cmdlets.Commands;

/// <summary>What all cmdlets share: the host, being stopped, questions, errors, paths.</summary>
public abstract class LvmCmdlet : PSCmdlet, IDisposable
{
    /// <summary>The longest time that a parameter in seconds can ask for: a day.</summary>
    private protected const int MaxSeconds = 24 * 60 * 60;

    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Cancelled by Ctrl+C.</summary>
    private protected CancellationToken Cancellation => _stopping.Token;

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

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>The last that is done, by the pipeline's thread, however the cmdlet ended.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing) _stopping.Dispose();
    }

    protected override void StopProcessing() => _stopping.Cancel();

    /// <summary>Whether Ctrl+C stops everything that runs, and not only a later command the ones before it: then no script is begun any more.</summary>
    private protected bool IsEverythingStopped
    {
        get
        {
            try
            {
                InvokeCommand.InvokeScript("$null");
                return false;
            }
            catch (PipelineStoppedException)
            {
                return true;
            }
        }
    }

    /// <summary>Whether a failure is no more than Ctrl+C's doing.</summary>
    private protected bool IsStop(LvmException error) => Stopping && error.ErrorId == ErrorIds.OperationCancelled;

    /// <summary>
    /// Asks whether to go on, where PowerShell's preferences want that. -Force answers the question beforehand; an explicit -Confirm or
    /// -WhatIf, or a preference for -WhatIf, is heard all the same.
    /// </summary>
    private protected bool ShouldProcess(string target, string action, SwitchParameter force)
    {
        var wantsToKnow = IsGiven("Confirm") || LanguagePrimitives.IsTrue(IsGiven("WhatIf") ? MyInvocation.BoundParameters["WhatIf"] : GetVariableValue("WhatIfPreference"));
        return (force && !wantsToKnow) || ShouldProcess(target, action);
    }

    /// <summary>Does one item's work; its failure is reported and does not keep the next from being done.</summary>
    private protected void ForItem(object target, Action work)
    {
        try
        {
            work();
        }
        catch (LvmException error) when (IsStop(error))
        {
            throw new PipelineStoppedException();
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

    /// <summary>A time in seconds, if the parameter was given.</summary>
    private protected TimeSpan? Seconds(string parameter, int seconds) => IsGiven(parameter) ? TimeSpan.FromSeconds(seconds) : null;

    /// <summary>PowerShell's current directory, which is not the process's.</summary>
    private protected string CurrentDirectory => SessionState.Path.CurrentFileSystemLocation.ProviderPath;

    /// <summary>
    /// The file that a user means by a text without wildcards: it starts at PowerShell's current location, and knows ~ and
    /// PowerShell's drives.
    /// </summary>
    /// <param name="errorId">The error where the text is no path of the file system.</param>
    private protected string ToFilePath(string path, string errorId)
    {
        if (Path.IsPathRooted(path)) return path;
        return Resolve(path, errorId, () => (SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out var provider, out _), provider));
    }

    /// <summary>Does some work with each file that a parameter names; the failure of one does not stop the others.</summary>
    /// <param name="isLiteral">Otherwise wildcards are allowed, and a pattern that matches nothing is no error.</param>
    /// <param name="errorId">The error where a text is no path of the file system.</param>
    private protected void ForFiles(IEnumerable<string> paths, bool isLiteral, string errorId, Action<string> work)
    {
        foreach (var path in paths)
        {
            IReadOnlyList<string> files = [];
            ForItem(path, () => files = isLiteral ? [ToFilePath(path, errorId)] : Expand(path, errorId));
            foreach (var file in files) ForItem(file, () => work(file));
        }
    }

    private Collection<string> Expand(string path, string errorId) =>
        WildcardPattern.ContainsWildcardCharacters(path)
            ? Resolve(path, errorId, () => (GetResolvedProviderPathFromPSPath(path, out var provider), provider))
            : [ToFilePath(WildcardPattern.Unescape(path), errorId)];

    private static T Resolve<T>(string path, string errorId, Func<(T Resolved, ProviderInfo Provider)> resolve)
    {
        try
        {
            var (resolved, provider) = resolve();
            return provider.Name == "FileSystem" ? resolved : throw new LvmException(errorId, $"'{path}' is not a path of the file system, but of {provider.Name}");
        }
        catch (Exception error) when (error is SessionStateException or ProviderInvocationException)
        {
            throw new LvmException(errorId, $"'{path}' is not a path: {error.Message.TrimEnd('.')}", error);
        }
    }
}
