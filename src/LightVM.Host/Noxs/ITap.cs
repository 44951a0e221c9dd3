namespace LightVM.Host.Noxs;

/// <summary>The host's end of a guest's interface. Errors are those of the host: a guest has no part in them.</summary>
internal interface ITap
{
    /// <summary>What to wait for until there is a frame.</summary>
    int File { get; }

    /// <summary>Takes the next frame; 0 while there is none, and a negative errno when there will be none.</summary>
    unsafe int Read(byte* buffer, int size);

    /// <summary>Sends a frame, or drops it as a wire may.</summary>
    unsafe void Write(byte* frame, int length);

    /// <summary>Lets go of it; who comes after this finds it by its name.</summary>
    void Close();
}
