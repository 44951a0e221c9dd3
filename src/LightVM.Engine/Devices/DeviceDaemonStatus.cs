namespace LightVM.Devices;

/// <summary>What the device daemon says of itself.</summary>
/// <param name="Version">Of the program.</param>
/// <param name="StartTime">When it began.</param>
/// <param name="Vifs">Network interfaces on this host, of whichever toolstack.</param>
/// <param name="Vbds">Disks that it set up and looks after.</param>
/// <param name="Loops">How many of these are files behind loop devices.</param>
/// <param name="Reservations">Devices that were asked for and have not appeared yet.</param>
/// <param name="Clients">Connections that are open.</param>
public sealed record DeviceDaemonStatus(
    string Version, int ProcessId, DateTimeOffset StartTime, int Vifs, int Vbds, int Loops, int Reservations, int Clients);
