using System.Management.Automation;
using LightVM.Errors;

namespace LightVM.Cmdlets.Errors;

/// <summary>What an ErrorRecord says of a failure of the engine.</summary>
/// <param name="Id">The error's constant id, with which FullyQualifiedErrorId begins.</param>
/// <param name="Message">What went wrong, without what to do about it.</param>
/// <param name="RecommendedAction">What to do about it; PowerShell shows it on a line of its own.</param>
/// <param name="Target">What the failure is about: the domain, its name, or the path of the configuration.</param>
internal sealed record ErrorFields(string Id, ErrorCategory Category, string Message, string RecommendedAction, object? Target)
{
    public static ErrorFields Of(LvmException error, object? target) =>
        new(error.ErrorId, CategoryOf(error.Kind), MessageOf(error), error.Remedy, target ?? error.Domain);

    public static ErrorCategory CategoryOf(ErrorKind kind) => kind switch
    {
        ErrorKind.Failure => ErrorCategory.DeviceError,
        ErrorKind.InvalidInput => ErrorCategory.InvalidArgument,
        ErrorKind.NotFound => ErrorCategory.ObjectNotFound,
        ErrorKind.Conflict => ErrorCategory.ResourceExists,
        ErrorKind.PermissionDenied => ErrorCategory.PermissionDenied,
        ErrorKind.ResourceExhausted => ErrorCategory.LimitsExceeded,
        ErrorKind.NotAvailable => ErrorCategory.ResourceUnavailable,
        ErrorKind.InvalidState => ErrorCategory.InvalidOperation,
        ErrorKind.Cancelled => ErrorCategory.OperationStopped,
        ErrorKind.TimedOut => ErrorCategory.OperationTimeout,
        _ => ErrorCategory.NotSpecified,
    };

    private static string MessageOf(LvmException error)
    {
        var message = error.Message;
        if (message.EndsWith(error.Remedy, StringComparison.Ordinal)) message = message[..^error.Remedy.Length].TrimEnd();
        return message.Length > 0 ? char.ToUpperInvariant(message[0]) + message[1..] : message;
    }
}
