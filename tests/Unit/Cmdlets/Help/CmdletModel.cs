using System.Management.Automation;
using System.Reflection;
using LightVM.Cmdlets.Commands;

namespace LightVM.Unit.Cmdlets.Help;

/// <summary>One parameter in one of its parameter sets: a line that reads the same whether it comes from the code, a page or the MAML.</summary>
internal sealed record ParameterLine(string Set, string Name, string Type, bool Required, int? Position, bool ByValue, bool ByPropertyName, string Aliases, bool Wildcards)
{
    /// <summary>As in a syntax line: "[[-Name] &lt;String[]&gt;]".</summary>
    public string Syntax
    {
        get
        {
            if (Type == nameof(SwitchParameter)) return Required ? $"-{Name}" : $"[-{Name}]";
            var name = Position is null ? $"-{Name}" : $"[-{Name}]";
            return Required ? $"{name} <{Type}>" : $"[{name} <{Type}>]";
        }
    }

    public override string ToString() =>
        $"{Set}/{Name}: {Type}, {(Required ? "required" : "optional")}, position {Position?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "named"}"
        + $"{(ByValue ? ", by value" : "")}{(ByPropertyName ? ", by property name" : "")}, aliases '{Aliases}'{(Wildcards ? ", wildcards" : "")}";
}

/// <summary>
/// A compiled cmdlet as its attributes describe it. They are read as data and never made into objects: those of
/// PowerShellStandard have empty bodies and would forget what they are told.
/// </summary>
internal sealed class CmdletModel
{
    public const string AllSets = "(All)";

    private readonly Type _type;

    private CmdletModel(Type type, CustomAttributeData cmdlet)
    {
        _type = type;
        Name = $"{cmdlet.ConstructorArguments[0].Value}-{cmdlet.ConstructorArguments[1].Value}";
        DefaultSet = Value<string>(cmdlet, nameof(CmdletAttribute.DefaultParameterSetName));
        SupportsShouldProcess = Value<bool>(cmdlet, nameof(CmdletAttribute.SupportsShouldProcess));
        Outputs = Attributes<OutputTypeAttribute>(type)
            .SelectMany(attribute => attribute.ConstructorArguments)
            .SelectMany(argument => argument.Value is IEnumerable<CustomAttributeTypedArgument> many ? many.Select(one => one.Value) : [argument.Value])
            .OfType<Type>()
            .Select(output => output == typeof(void) ? "None" : output.FullName!)
            .ToList();

        var declared = type.GetProperties().SelectMany(Declared).ToList();
        Sets = declared.Select(line => line.Set).Append(DefaultSet ?? AllSets).Where(set => set != AllSets).Distinct().DefaultIfEmpty(AllSets).ToList();
        Parameters = declared
            .SelectMany(line => line.Set == AllSets ? Sets.Select(set => line with { Set = set }) : [line])
            .Concat(SupportsShouldProcess ? Sets.SelectMany(set => Asking(set)) : [])
            .ToList();
    }

    public static IReadOnlyList<CmdletModel> All { get; } = typeof(GetLvmDomainCommand).Assembly.GetExportedTypes()
        .Where(type => !type.IsAbstract)
        .SelectMany(type => Attributes<CmdletAttribute>(type).Select(cmdlet => new CmdletModel(type, cmdlet)))
        .OrderBy(model => model.Name, StringComparer.Ordinal)
        .ToList();

    public string Name { get; }

    public string Verb => Name.Split('-')[0];

    public string? DefaultSet { get; }

    public bool SupportsShouldProcess { get; }

    /// <summary>Full names; "None" for void.</summary>
    public IReadOnlyList<string> Outputs { get; }

    /// <summary>Names of the parameter sets; one, "(All)", where there are none.</summary>
    public IReadOnlyList<string> Sets { get; }

    public IReadOnlyList<ParameterLine> Parameters { get; }

    /// <summary>Full names of what is taken from the pipeline by value; "None" for nothing.</summary>
    public IReadOnlyList<string> Inputs => _type.GetProperties()
        .Where(property => Attributes<ParameterAttribute>(property).Any(attribute => Value<bool>(attribute, nameof(ParameterAttribute.ValueFromPipeline))))
        .Select(property => property.PropertyType.FullName!)
        .Distinct()
        .DefaultIfEmpty("None")
        .ToList();

    /// <summary>The property of the class behind a parameter; null for those that PowerShell adds.</summary>
    public PropertyInfo? Property(string parameter) => _type.GetProperty(parameter);

    public override string ToString() => Name;

    private static IEnumerable<ParameterLine> Declared(PropertyInfo property) =>
        Attributes<ParameterAttribute>(property).Select(attribute => new ParameterLine(
            Value<string>(attribute, nameof(ParameterAttribute.ParameterSetName)) ?? AllSets,
            property.Name,
            property.PropertyType.Name,
            Value<bool>(attribute, nameof(ParameterAttribute.Mandatory)),
            Find(attribute, nameof(ParameterAttribute.Position)) is int position ? position : null,
            Value<bool>(attribute, nameof(ParameterAttribute.ValueFromPipeline)),
            Value<bool>(attribute, nameof(ParameterAttribute.ValueFromPipelineByPropertyName)),
            string.Join(", ", Attributes<AliasAttribute>(property)
                .SelectMany(alias => (IEnumerable<CustomAttributeTypedArgument>)alias.ConstructorArguments[0].Value!)
                .Select(name => name.Value)),
            Attributes<SupportsWildcardsAttribute>(property).Any()));

    private static ParameterLine[] Asking(string set) =>
    [
        new(set, "Confirm", nameof(SwitchParameter), false, null, false, false, "cf", false),
        new(set, "WhatIf", nameof(SwitchParameter), false, null, false, false, "wi", false),
    ];

    private static IEnumerable<CustomAttributeData> Attributes<T>(MemberInfo member) =>
        member.GetCustomAttributesData().Where(attribute => attribute.AttributeType == typeof(T));

    private static object? Find(CustomAttributeData attribute, string name) =>
        attribute.NamedArguments.Where(argument => argument.MemberName == name).Select(argument => argument.TypedValue.Value).FirstOrDefault();

    private static T? Value<T>(CustomAttributeData attribute, string name) => Find(attribute, name) is T value ? value : default;
}
