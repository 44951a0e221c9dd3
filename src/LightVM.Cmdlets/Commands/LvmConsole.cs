using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Consoles;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Cmdlets.Commands;

/// <summary>Shows what guests have written on their consoles, and what they go on to write.</summary>
[Cmdlet(VerbsCommon.Get, "LvmConsole", DefaultParameterSetName = ByName)]
[OutputType(typeof(string))]
public sealed class GetLvmConsoleCommand : ChangingDomainCmdlet
{
    private readonly List<Domain> _followed = [];

    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Tail { get; set; }

    [Parameter]
    public SwitchParameter Wait { get; set; }

    [Parameter]
    [ValidateRange(1, MaxSeconds)]
    public int Timeout { get; set; }

    private protected override void Change(Domain domain)
    {
        if (Wait)
        {
            _followed.Add(domain);
            return;
        }

        foreach (var line in CurrentHost.Consoles.ReadLines(domain.Key, Given(nameof(Tail), Tail), cancellation: Cancellation)) Write(domain, line);
    }

    protected override void EndProcessing()
    {
        if (_followed.Count == 0) return;
        using var streams = new ConsoleStreams(CurrentHost.Consoles, Given(nameof(Tail), Tail), Cancellation);
        if (Seconds(nameof(Timeout), Timeout) is { } time) streams.StopAfter(time);
        try
        {
            foreach (var (domain, line, error) in streams.Read(_followed))
            {
                if (error is null) Write(domain, line);
                else WriteError(ToRecord(error, domain));
            }
        }
        catch (OperationCanceledException)
        {
            throw new PipelineStoppedException();
        }
    }

    /// <summary>A string that knows where it comes from, as those of Get-Content do.</summary>
    private void Write(Domain domain, string line)
    {
        var text = new PSObject(line);
        text.Properties.Add(new PSNoteProperty("DomainName", domain.Name));
        text.Properties.Add(new PSNoteProperty("DomainId", domain.Id));
        WriteObject(text);
    }
}

/// <summary>Connects a guest's console with the terminal that PowerShell runs in.</summary>
[Cmdlet(VerbsCommon.Enter, "LvmConsole", DefaultParameterSetName = ByName)]
[OutputType(typeof(void))]
public sealed class EnterLvmConsoleCommand : ChangingDomainCmdlet
{
    /// <summary>The name of the host that has a terminal of its own; others show their output somewhere else.</summary>
    private const string TerminalHost = "ConsoleHost";

    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Tail { get; set; }

    private protected override void Change(Domain domain)
    {
        if (Host.Name != TerminalHost || !DomainConsoles.HasTerminal)
            throw new LvmException(ErrorIds.TerminalRequired, "PowerShell does not run in a terminal here").During("attach to the console of", domain.ToString());
        CurrentHost.Consoles.Attach(domain.Key, tail: Given(nameof(Tail), Tail), attached: (_, _) => Host.UI.Write($"Attached to {domain}; Ctrl+] leaves.\r\n"), cancellation: Cancellation);
        Host.UI.WriteLine();
    }
}

/// <summary>Types lines at guests' consoles.</summary>
[Cmdlet(VerbsCommunications.Send, "LvmConsole", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class SendLvmConsoleCommand : DomainCmdlet
{
    private const int DefaultTimeout = 10;

    // Not from the pipeline, as with the other cmdlets: that is where the text comes from.
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DomainNameCompleter))]
    public string[] Name { get; set; } = [];

    [Parameter(Mandatory = true, Position = 1, ValueFromPipeline = true, ParameterSetName = ByName)]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = ById)]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = ByUuid)]
    [Parameter(Mandatory = true, ParameterSetName = ByObject)]
    [AllowEmptyString]
    [NoDomain]
    public string[] Text { get; set; } = [];

    [Parameter]
    public SwitchParameter NoNewline { get; set; }

    [Parameter]
    [ValidateRange(1, MaxSeconds)]
    public int Timeout { get; set; } = DefaultTimeout;

    protected override void ProcessRecord()
    {
        var text = string.Concat(Text.Select(line => NoNewline ? line : line + "\n"));
        ForDomains(Name, domain =>
        {
            if (ShouldProcess(Describe(domain), "Send to console")) CurrentHost.Consoles.Send(domain.Key, text, TimeSpan.FromSeconds(Timeout), Cancellation);
        });
    }
}
