using LightVM.Errors;

namespace LightVM.Host;

/// <summary>What <c>lightvm</c> tells its caller by its exit code; the man page has the same table.</summary>
internal static class ExitCodes
{
    public const int Ok = 0;

    /// <summary>A failure of no other kind, a failed check, or several failures of different kinds.</summary>
    public const int Failure = 1;

    /// <summary>The command line was not understood; nothing was done.</summary>
    public const int Usage = 2;

    /// <summary>Added to the number of the signal that ended a command.</summary>
    public const int Signal = 128;

    private static readonly (ErrorKind Kind, int Code)[] Rows =
    [
        (ErrorKind.Failure, Failure),
        (ErrorKind.InvalidInput, 3),
        (ErrorKind.NotFound, 4),
        (ErrorKind.Conflict, 5),
        (ErrorKind.PermissionDenied, 6),
        (ErrorKind.ResourceExhausted, 7),
        (ErrorKind.NotAvailable, 8),
        (ErrorKind.InvalidState, 9),
        (ErrorKind.Cancelled, 10),
        (ErrorKind.TimedOut, 11),
    ];

    /// <summary>All kinds of errors with their exit codes.</summary>
    public static IReadOnlyList<(ErrorKind Kind, int Code)> All => Rows;

    /// <summary>The exit code of a kind of error.</summary>
    public static int Of(ErrorKind kind) => Array.Find(Rows, row => row.Kind == kind).Code;
}

/// <summary>The exit code of a command that does several things: the one its failures agree on.</summary>
internal sealed class Outcome
{
    public int ExitCode { get; private set; }

    public bool Failed => ExitCode != ExitCodes.Ok;

    public void Add(int exitCode)
    {
        if (exitCode == ExitCodes.Ok) return;
        // A signal ended everything: whatever failed before is no longer what the caller has to know.
        var ended = exitCode > ExitCodes.Signal;
        ExitCode = !Failed || ended || ExitCode == exitCode ? exitCode : ExitCodes.Failure;
    }
}
