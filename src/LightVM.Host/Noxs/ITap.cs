namespace LightVM.Host.Noxs;

/// <summary>The host's end of a guest's interface. Errors are those of the host: a guest has no part in them.</summary>
internal interface ITap
{
    /// <summary>What to wait for until there is a frame.</summary>
    int File { get; }

    /// <summary>What may be left to do with frames that come.</summary>
    void Leave(Offloads offloads);

    /// <summary>Takes the next frame; 0 while there is none, and a negative errno when there will be none.</summary>
    /// <param name="frame">With <see cref="NetFrames.Room"/> bytes in front of it.</param>
    /// <param name="left">What is left to do with it, because it never was on a wire.</param>
    unsafe int Read(byte* frame, int size, out Unfinished left);

    /// <summary>Sends a frame, or drops it as a wire may.</summary>
    /// <param name="frame">With <see cref="NetFrames.Room"/> bytes in front of it.</param>
    /// <param name="left">What is left to do with it.</param>
    unsafe void Write(byte* frame, int length, in Unfinished left);

    /// <summary>Lets go of it; who comes after this finds it by its name.</summary>
    void Close();
}
