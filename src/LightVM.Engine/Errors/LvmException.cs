using System.Text;

namespace LightVM.Errors;

/// <summary>
/// Every failure of the engine. It names the operation, the domain, the cause (errno and libxc's own messages)
/// and what to do about it.
/// </summary>
public class LvmException : Exception
{
    /// <param name="errorId">One of <see cref="ErrorIds"/>.</param>
    /// <param name="problem">What is wrong, as a sentence without a full stop.</param>
    /// <param name="inner">The exception underneath, if there is one.</param>
    public LvmException(string errorId, string problem, Exception? inner = null)
        : base(problem, inner)
    {
        Description = ErrorCatalog.Get(errorId);
        Problem = problem;
    }

    public ErrorDescription Description { get; }

    public string ErrorId => Description.Id;

    public ErrorKind Kind => Description.Kind;

    /// <summary>What the user can do.</summary>
    public string Remedy => Description.Remedy;

    /// <summary>What is wrong, without operation, domain and cause.</summary>
    public string Problem { get; }

    /// <summary>What was being done: "create".</summary>
    public string? Operation { get; set; }

    /// <summary>Which step of it failed, where it has steps: "memory".</summary>
    public string? Step { get; set; }

    /// <summary>The domain it was done to: its name, or its id where it has none yet.</summary>
    public string? Domain { get; set; }

    /// <summary>The errno of the call that failed, if one did.</summary>
    public int? Errno { get; init; }

    /// <summary>What libxc logged while the call failed.</summary>
    public string? HypervisorLog { get; init; }

    /// <summary>What could not be undone after the failure; null when nothing was left behind.</summary>
    public string? LeftBehind { get; set; }

    /// <summary>One line: operation, domain, problem, errno and libxc's words; then what was left behind and what to do.</summary>
    public override string Message
    {
        get
        {
            var text = new StringBuilder();
            if (Operation is not null) text.Append("Cannot ").Append(Operation);
            if (Domain is not null) text.Append(text.Length == 0 ? "Domain '" : " domain '").Append(Domain).Append('\'');
            if (Step is not null) text.Append(" (step ").Append(Step).Append(')');
            if (text.Length > 0) text.Append(": ");
            text.Append(Problem);
            if (Errno is int errno) text.Append(" (").Append(ErrnoText.Describe(errno)).Append(')');
            if (HypervisorLog is { Length: > 0 }) text.Append("; libxc: ").Append(HypervisorLog);
            text.Append('.');
            if (LeftBehind is not null) text.Append(" Left behind: ").Append(LeftBehind).Append('.');
            return text.Append(' ').Append(Remedy).ToString();
        }
    }

    /// <summary>Adds what an outer layer knows, and keeps what an inner one said already.</summary>
    public LvmException During(string operation, string? domain = null)
    {
        Operation ??= operation;
        Domain ??= domain;
        return this;
    }
}
