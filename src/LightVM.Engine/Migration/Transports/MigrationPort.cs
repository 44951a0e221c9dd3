namespace LightVM.Migration;

/// <summary>Where a receiver listens.</summary>
public static class MigrationPort
{
    /// <summary>Over TLS, unless another port is named. (Not assigned by IANA.)</summary>
    public const int Default = 8517;
}
