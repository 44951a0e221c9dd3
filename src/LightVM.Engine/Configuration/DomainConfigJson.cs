using LightVM.Errors;

namespace LightVM.Configuration;

/// <summary>
/// Domain configurations as JSON: Chaos' format, with optional keys of our own (<c>uuid</c>, <c>max_memory</c>, <c>console</c>,
/// <c>on_poweroff</c>, <c>on_reboot</c>, <c>on_crash</c>; in an interface <c>rate</c>, <c>queues</c>, <c>trusted</c>, <c>id</c>). UTF-8,
/// one object, no comments; unknown and repeated keys are errors.
/// </summary>
public static class DomainConfigJson
{
    /// <summary>The largest text that is read, in bytes: 1 MiB.</summary>
    public const int MaxFileSize = 1 << 20;

    /// <summary>Reads a configuration.</summary>
    /// <param name="utf8">The text, with or without a byte order mark.</param>
    /// <param name="source">Where it came from, for messages: a path, or a word.</param>
    /// <param name="requireKernel">False for a saved domain's own configuration, which may have no kernel.</param>
    /// <exception cref="InvalidConfigException">
    /// With every error in the order of the text, each with its JSON path, line and column:
    /// <see cref="ErrorIds.ConfigTooLarge"/>, <see cref="ErrorIds.ConfigNotUtf8"/>, <see cref="ErrorIds.ConfigTooDeep"/> (more than
    /// 16 levels), <see cref="ErrorIds.ConfigSyntax"/> (with what was found before it) or <see cref="ErrorIds.ConfigInvalid"/>.
    /// </exception>
    public static DomainConfig Parse(ReadOnlySpan<byte> utf8, string source, bool requireKernel = true) =>
        DomainConfigReader.Read(utf8, source, requireKernel);

    /// <summary>Reads a configuration from a file, of which never more than <see cref="MaxFileSize"/> is read.</summary>
    /// <param name="path">The file; one without an end, such as /dev/zero, is merely too large.</param>
    /// <param name="requireKernel">As for <see cref="Parse"/>.</param>
    /// <exception cref="InvalidConfigException">
    /// As for <see cref="Parse"/>, and <see cref="ErrorIds.ConfigNotFound"/> or <see cref="ErrorIds.ConfigUnreadable"/>
    /// (a directory, no permission, an I/O error).
    /// </exception>
    public static DomainConfig ReadFile(string path, bool requireKernel = true) =>
        Parse(DomainConfigFile.Read(path), path, requireKernel);

    /// <summary>
    /// The configuration as indented JSON with a stable order of keys. Ours are there only where they differ from their default,
    /// so that Chaos, which refuses unknown keys, takes whatever uses none of them.
    /// </summary>
    public static byte[] Write(DomainConfig config) => DomainConfigWriter.Write(config);

    /// <summary>
    /// Writes a configuration to a file, all of it or nothing: under a temporary name in the same directory, through to the
    /// disk, then renamed. A file that is replaced hands its permissions on; a symbolic link stays and its target is replaced.
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="path">The file.</param>
    /// <param name="overwrite">Whether a file of that name may be replaced.</param>
    /// <exception cref="InvalidConfigException"><see cref="ErrorIds.ConfigNotWritable"/>; nothing is left behind.</exception>
    public static void WriteFile(DomainConfig config, string path, bool overwrite) => DomainConfigFile.Write(Write(config), path, overwrite);
}
