using System.Runtime.InteropServices;

namespace LightVM.Errors;

/// <summary>Names of Linux error numbers, for messages and for deciding what a failure means.</summary>
public static class ErrnoText
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int ESRCH = 3;
    public const int EINTR = 4;
    public const int EAGAIN = 11;
    public const int ENOMEM = 12;
    public const int EACCES = 13;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int ENODEV = 19;
    public const int ENOTDIR = 20;
    public const int EISDIR = 21;
    public const int EINVAL = 22;
    public const int ENOTTY = 25;
    public const int ENOSPC = 28;
    public const int EROFS = 30;
    public const int ENOSYS = 38;
    public const int EOPNOTSUPP = 95;
    public const int ECONNABORTED = 103;
    public const int ENOBUFS = 105;
    public const int ENOTCONN = 107;

    private static readonly Dictionary<int, string> Names = new()
    {
        [EPERM] = nameof(EPERM),
        [ENOENT] = nameof(ENOENT),
        [ESRCH] = nameof(ESRCH),
        [EINTR] = nameof(EINTR),
        [EAGAIN] = nameof(EAGAIN),
        [ENOMEM] = nameof(ENOMEM),
        [EACCES] = nameof(EACCES),
        [EBUSY] = nameof(EBUSY),
        [EEXIST] = nameof(EEXIST),
        [ENODEV] = nameof(ENODEV),
        [ENOTDIR] = nameof(ENOTDIR),
        [EISDIR] = nameof(EISDIR),
        [EINVAL] = nameof(EINVAL),
        [ENOTTY] = nameof(ENOTTY),
        [ENOSPC] = nameof(ENOSPC),
        [EROFS] = nameof(EROFS),
        [ENOSYS] = nameof(ENOSYS),
        [EOPNOTSUPP] = nameof(EOPNOTSUPP),
        [ECONNABORTED] = nameof(ECONNABORTED),
        [ENOBUFS] = nameof(ENOBUFS),
        [ENOTCONN] = nameof(ENOTCONN),
    };

    /// <summary>"ENOMEM, Cannot allocate memory"; "errno 123, …" for one without a name here.</summary>
    public static string Describe(int errno) =>
        $"{(Names.TryGetValue(errno, out var name) ? name : $"errno {errno}")}, {Marshal.GetPInvokeErrorMessage(errno)}";
}
