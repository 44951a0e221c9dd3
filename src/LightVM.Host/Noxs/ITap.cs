namespace LightVM.Host.Noxs;

/// <summary>The host's end of a guest's interface. Errors are those of the host: a guest has no part in them.</summary>
internal interface ITap
{
    /// <summary>What to wait for until there is a frame.</summary>
    int File { get; }

    /// <summary>Whether frames that come may have checksums that were left to others.</summary>
    void LeaveChecksums(bool mayBeLeft);

    /// <summary>Takes the next frame; 0 while there is none, and a negative errno when there will be none.</summary>
    /// <param name="frame">With <see cref="NetFrames.Room"/> bytes in front of it.</param>
    /// <param name="isBlank">Whether its TCP or UDP has no checksum, because it never was on a wire.</param>
    unsafe int Read(byte* frame, int size, out bool isBlank);

    /// <summary>Sends a frame, or drops it as a wire may.</summary>
    /// <param name="frame">With <see cref="NetFrames.Room"/> bytes in front of it.</param>
    /// <param name="isBlank">Whether the checksum of its TCP or UDP is left to others.</param>
    unsafe void Write(byte* frame, int length, bool isBlank);

    /// <summary>Lets go of it; who comes after this finds it by its name.</summary>
    void Close();
}
