using System.Management.Automation;
using LightVM.Cmdlets.Errors;
using LightVM.Errors;

namespace LightVM.Unit.Cmdlets;

public sealed class ErrorFieldsTests
{
    [Fact]
    public void Every_kind_of_error_has_a_category_of_its_own()
    {
        var categories = Enum.GetValues<ErrorKind>().Select(ErrorFields.CategoryOf).ToList();
        Assert.DoesNotContain(ErrorCategory.NotSpecified, categories);
        Assert.Equal(categories.Count, categories.Distinct().Count());
    }

    [Fact]
    public void The_remedy_is_told_once_and_apart_from_what_happened()
    {
        var fields = ErrorFields.Of(new LvmException(ErrorIds.DomainNotFound, "there is no domain with the name 'x'"), "x");
        Assert.Equal(("DomainNotFound", "There is no domain with the name 'x'.", ErrorCatalog.Get(ErrorIds.DomainNotFound).Remedy, "x"), (fields.Id, fields.Message, fields.RecommendedAction, fields.Target));
    }

    [Fact]
    public void What_was_left_behind_is_told()
    {
        var fields = ErrorFields.Of(new LvmException(ErrorIds.HypervisorFailure, "no") { Operation = "create", Domain = "web", LeftBehind = "domain 5" }, null);
        Assert.Equal("Cannot create domain 'web': no. Left behind: domain 5.", fields.Message);
    }

    [Fact]
    public void Without_a_target_the_domain_is_it() => Assert.Equal("web", ErrorFields.Of(new LvmException(ErrorIds.DomainGone, "x") { Domain = "web" }, null).Target);
}
