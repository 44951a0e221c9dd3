using System.Diagnostics;
using System.Globalization;

namespace LightVM.Bench.Contenders;

/// <summary>New-LvmDomain in one warm pwsh (bench/cmdlet.ps1).</summary>
internal sealed class CmdletContender : IContender, IDisposable
{
    private readonly GuestFiles _files;
    private readonly Process _pwsh;

    public CmdletContender(string pwsh, string script, string module, GuestFiles files)
    {
        Results.Progress("starting pwsh");
        _pwsh = Child.Start(pwsh, "-NoProfile", "-NonInteractive", "-File", script, "-Module", module, "-Config", files.Json);
        _files = files;
        Expect("ready");
    }

    public string Name => "cmdlet";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        _pwsh.StandardInput.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} {_files.Pause.Ms}"));
        for (var i = 0; i < count; i++)
        {
            var parts = ReadLine().Split(',');
            sample("create-cmdlet", Child.Number(parts[0]));
            sample("destroy-cmdlet", Child.Number(parts[1]));
        }

        Expect("done");
    }

    public void Dispose()
    {
        _pwsh.StandardInput.Close();
        _pwsh.WaitForExit();
        _pwsh.Dispose();
    }

    private void Expect(string word)
    {
        var line = ReadLine();
        if (line != word) throw new InvalidOperationException($"cmdlet.ps1 said '{line}' instead of '{word}'");
    }

    private string ReadLine() => _pwsh.StandardOutput.ReadLine() ?? throw new InvalidOperationException("cmdlet.ps1 ended; its errors are above");
}
