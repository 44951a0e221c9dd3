using LightVM.Errors;

namespace LightVM.Images;

/// <summary>Why an image cannot be restored, found somewhere inside it, where its name is not known.</summary>
/// <param name="errorId">ImageInvalid or ImageUnsupported.</param>
/// <param name="why">A sentence without a full stop.</param>
internal sealed class ImageRefusal(string errorId, string why) : Exception(why)
{
    public string ErrorId => errorId;

    public string Why => Message;

    public static ImageRefusal Invalid(string why) => new(ErrorIds.ImageInvalid, why);

    public static ImageRefusal Unsupported(string why) => new(ErrorIds.ImageUnsupported, why);

    /// <summary>A part that ends before it should.</summary>
    public static ImageRefusal CutOff(string part) => Invalid($"it ends within its {part}: it was cut off");

    public static ImageRefusal Differs(string part) => Invalid($"the checksum of its {part} differs: it was damaged");

    /// <summary>The failure to use the image of that name.</summary>
    public LvmException Of(string path) => new(errorId, errorId == ErrorIds.ImageInvalid ? $"'{path}' is no whole image: {Why}" : $"'{path}' cannot be restored: {Why}", this);
}
