using System.Text.Json;
using LightVM.Errors;

namespace LightVM.Lab;

/// <summary>A host that lacks something says what, by an id of its own. Tried with the real <c>lightvm</c>, a process for each.</summary>
public sealed class HostErrorsTests
{
    [Fact]
    public void As_root_in_dom0_nothing_is_missing()
    {
        Assert.Equal(0, Dom0.Run(Dom0.Lightvm, "list").ExitCode);
        var (exitCode, output) = Dom0.Run(Dom0.Lightvm, "check");
        Assert.True(exitCode == 0, output);
        Assert.DoesNotContain("Failed", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_privilege_it_is_said() =>
        AssertFails(ErrorIds.XenNotPrivileged, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", Dom0.Lightvm, "--json", "list");

    [Fact]
    public void Without_the_shim_it_is_said() =>
        AssertFails(ErrorIds.XenLibraryMissing, "env", "LIGHTVM_LIBLIGHTVM_XEN=/nonexistent.so", Dom0.Lightvm, "--json", "list");

    [Fact]
    public void Without_libxenstore_it_is_said() =>
        AssertFails(ErrorIds.XenLibraryMissing, "env", "LIGHTVM_LIBXENSTORE=/nonexistent.so", Dom0.Lightvm, "--json", "list");

    [Fact]
    public void A_library_that_is_another_one_is_noticed() =>
        AssertFails(ErrorIds.XenLibraryMissing, "env", "LIGHTVM_LIBLIGHTVM_XEN=libc.so.6", Dom0.Lightvm, "--json", "list");

    [Fact]
    public void Without_xenstored_it_is_said_by_what_needs_it()
    {
        const string NoStore = "XENSTORED_PATH=/nonexistent/socket";
        AssertFails(ErrorIds.XenstoreUnavailable, "env", NoStore, Dom0.Lightvm, "--json", "create", "--no-noxs", "--guest", "tiny", "--name", "storeless");
        Assert.Equal(0, Dom0.Run("env", NoStore, Dom0.Lightvm, "--json", "list").ExitCode);
    }

    [Fact]
    public void The_check_list_names_the_missing_library_and_its_remedy()
    {
        var (exitCode, output) = Dom0.Run("env", "LIGHTVM_LIBXENGNTTAB=/nonexistent.so", Dom0.Lightvm, "check");
        Assert.NotEqual(0, exitCode);
        Assert.Contains("LIGHTVM_LIBXENGNTTAB", output, StringComparison.Ordinal);
    }

    private static void AssertFails(string errorId, string program, params string[] arguments)
    {
        var (exitCode, output) = Dom0.Run(program, arguments);
        Assert.NotEqual(0, exitCode);
        using var error = JsonDocument.Parse(output.TrimEnd().Split('\n')[^1]); // a document a line: what was created comes before it
        Assert.Equal(errorId, error.RootElement.GetProperty("error").GetProperty("id").GetString());
        Assert.NotEqual("", error.RootElement.GetProperty("error").GetProperty("remedy").GetString());
    }
}
