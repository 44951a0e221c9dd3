using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Trust;
using LightVM.Errors;
using LightVM.Trust;

namespace LightVM.Cmdlets.Commands;

/// <summary>Makes this host's own key, or admits a peer.</summary>
[Cmdlet(VerbsCommon.New, "LvmTrust", DefaultParameterSetName = Own, SupportsShouldProcess = true)]
[OutputType(typeof(TrustEntry))]
public sealed class NewLvmTrustCommand : LvmCmdlet
{
    private const string Own = "Self";
    private const string ByPath = "Path";
    private const string ByCertificate = "Certificate";
    private const string ByFingerprint = "Fingerprint";

    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByPath)]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true, ParameterSetName = ByCertificate)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByFingerprint)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = "";

    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByPath)]
    [ValidateNotNullOrEmpty]
    public string CertificatePath { get; set; } = "";

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = ByCertificate)]
    [ValidateNotNullOrEmpty]
    public string Certificate { get; set; } = "";

    [Parameter(Mandatory = true, ParameterSetName = ByFingerprint)]
    [ValidateNotNullOrEmpty]
    public string Fingerprint { get; set; } = "";

    [Parameter]
    public SwitchParameter Force { get; set; }

    protected override void ProcessRecord()
    {
        var trust = new TrustStore();
        ForItem(ParameterSetName == Own ? trust.Folder : Name, () =>
        {
            switch (ParameterSetName)
            {
                case Own:
                    if (ShouldProcess("this host", "Make a key")) WriteObject(trust.CreateIdentity(Force));
                    break;
                case ByPath:
                    var path = ToFilePath(CertificatePath, ErrorIds.CertificateNotFound);
                    if (ShouldProcess($"peer '{Name}'", $"Admit with the certificate in '{path}'")) WriteObject(trust.AdmitFile(Name, path, Force));
                    break;
                case ByCertificate:
                    if (ShouldProcess($"peer '{Name}'", "Admit with the certificate given")) WriteObject(trust.Admit(Name, Certificate, Force));
                    break;
                case ByFingerprint:
                    if (ShouldProcess($"peer '{Name}'", $"Admit with the key {Fingerprint}")) WriteObject(trust.Admit(Name, Fingerprint, Force));
                    break;
            }
        });
    }
}

/// <summary>Shows this host's own key, and the peers that it trusts.</summary>
[Cmdlet(VerbsCommon.Get, "LvmTrust", DefaultParameterSetName = ByName)]
[OutputType(typeof(TrustEntry))]
public sealed class GetLvmTrustCommand : LvmCmdlet
{
    private const string ByName = "Name";
    private const string Own = "Self";

    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(PeerNameCompleter))]
    public string[]? Name { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = Own)]
    public SwitchParameter Self { get; set; }

    protected override void ProcessRecord()
    {
        var trust = new TrustStore();
        if (Self)
        {
            ForItem(trust.Folder, () => WriteObject(trust.GetIdentity()));
            return;
        }

        if (Name is null)
            ForItem(trust.Folder, () =>
            {
                if (trust.FindIdentity() is { } identity) WriteObject(identity);
            });
        foreach (var name in Name ?? ["*"])
        {
            ForItem(name, () =>
            {
                foreach (var peer in PeerPatterns.Names(trust, name)) ForItem(peer, () => WriteObject(trust.GetPeer(peer)));
            });
        }
    }
}

/// <summary>Ends trust: in peers, or in this host's own key.</summary>
[Cmdlet(VerbsCommon.Remove, "LvmTrust", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveLvmTrustCommand : LvmCmdlet
{
    private const string ByName = "Name";
    private const string Own = "Self";

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(PeerNameCompleter))]
    public string[] Name { get; set; } = [];

    [Parameter(Mandatory = true, ParameterSetName = Own)]
    public SwitchParameter Self { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    protected override void ProcessRecord()
    {
        var trust = new TrustStore();
        if (Self)
        {
            ForItem(trust.Folder, () =>
            {
                var identity = trust.GetIdentity();
                if (ShouldProcess($"the key of this host, {identity.Fingerprint}", "Remove", Force)) trust.RemoveIdentity();
            });
            return;
        }

        foreach (var name in Name)
        {
            ForItem(name, () =>
            {
                // Also one whose file is damaged: removing it is what helps.
                foreach (var peer in PeerPatterns.Names(trust, name))
                    ForItem(peer, () =>
                    {
                        if (ShouldProcess($"peer '{peer}'", "Remove", Force)) trust.RemovePeer(peer);
                    });
            });
        }
    }
}
