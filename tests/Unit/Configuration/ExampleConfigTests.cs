using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Unit.Configuration;

/// <summary>The configurations in docs/examples.</summary>
public class ExampleConfigTests
{
    private static readonly string Examples = Path.Combine(AppContext.BaseDirectory, "examples");

    [Fact]
    public void Every_example_is_valid_and_written_as_this_program_writes()
    {
        var files = Directory.GetFiles(Examples, "*.json");
        Assert.NotEmpty(files);
        Assert.All(files, file => Assert.Equal(File.ReadAllText(file), System.Text.Encoding.UTF8.GetString(DomainConfigJson.Write(DomainConfigJson.ReadFile(file)))));
    }

    [Theory]
    [InlineData("tiny.json", GuestType.PV, 4)]
    [InlineData("linux-pv.json", GuestType.PV, 256)]
    [InlineData("linux-pvh.json", GuestType.PVH, 256)]
    public void The_examples_are_what_they_are_called(string file, GuestType type, int memory)
    {
        var config = DomainConfigJson.ReadFile(Path.Combine(Examples, file));
        Assert.Equal((type, memory), (config.Type, config.MemoryMiB));
        Assert.Equal(Path.GetFileNameWithoutExtension(file), config.Name);
    }
}
