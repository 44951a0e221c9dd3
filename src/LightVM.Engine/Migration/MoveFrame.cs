namespace LightVM.Migration;

/// <summary>What a frame of the migration protocol is (docs/migration-protocol.md).</summary>
internal enum MoveFrame : byte
{
    Hello = 1,
    Offer = 2,
    Answer = 3,
    Data = 4,
    End = 5,
    Ready = 6,
    Go = 7,
    Running = 8,
    Gone = 9,
    Failure = 10,
    Question = 11,
    Fate = 12,
    Run = 13,
    Mark = 14,
    Marked = 15,
}
