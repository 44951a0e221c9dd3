namespace LightVM.Errors;

/// <summary>One row of the catalogue: an error id, its kind, and what the user can do about it.</summary>
public sealed record ErrorDescription(string Id, ErrorKind Kind, string Remedy);

/// <summary>The one table of errors. The engine, the cmdlets, <c>lightvm</c>, the help and the tests all read it.</summary>
public static class ErrorCatalog
{
    private static readonly ErrorDescription[] Rows =
    [
        new(ErrorIds.XenNotRunning, ErrorKind.NotAvailable, "Boot this machine under Xen, or use the simulated host (Connect-LvmHost -Simulated, lightvm --simulated)."),
        new(ErrorIds.XenNotPrivileged, ErrorKind.PermissionDenied, "Run as root in the control domain (dom0)."),
        new(ErrorIds.XenLibraryMissing, ErrorKind.NotAvailable, "Install the libraries (Debian: libxenmisc4.17 libxenstore4, with xen-utils, and libudev1), or name the file in the library's environment variable (about_LightVM)."),
        new(ErrorIds.XenLibraryMismatch, ErrorKind.NotAvailable, "Build liblightvm-xen against the libxen-dev of the Xen that runs here (./build.sh)."),
        new(ErrorIds.XenstoreUnavailable, ErrorKind.NotAvailable, "Start xenstored (Debian: systemctl start xen)."),
        new(ErrorIds.HypervisorFailure, ErrorKind.Failure, "See the hypervisor's log (xl dmesg) and libxc's messages in this error."),
        new(ErrorIds.StoreFailure, ErrorKind.Failure, "See xenstored's log; a full quota is raised by its --entry-nb and --transaction options."),
        new(ErrorIds.HostFileFailure, ErrorKind.Failure, "Check that the folder of the file (/run where none is named) is writable and not full."),

        new(ErrorIds.ConfigNotFound, ErrorKind.NotFound, "Check the path of the configuration."),
        new(ErrorIds.ConfigUnreadable, ErrorKind.PermissionDenied, "Check the permissions of the configuration file, and that it is a file."),
        new(ErrorIds.ConfigTooLarge, ErrorKind.InvalidInput, "A domain configuration has at most 1 MiB; check that the right file was named."),
        new(ErrorIds.ConfigTooDeep, ErrorKind.InvalidInput, "A domain configuration nests at most 16 levels; check that the right file was named."),
        new(ErrorIds.ConfigNotUtf8, ErrorKind.InvalidInput, "Save the configuration as UTF-8."),
        new(ErrorIds.ConfigSyntax, ErrorKind.InvalidInput, "Mend the JSON at the position given."),
        new(ErrorIds.ConfigInvalid, ErrorKind.InvalidInput, "Mend each of the places listed; Test-LvmDomainConfig checks a file without creating anything."),
        new(ErrorIds.ConfigNotWritable, ErrorKind.PermissionDenied, "Check the directory and its permissions, or choose another path."),

        new(ErrorIds.KernelNotGiven, ErrorKind.InvalidInput, "Name the kernel image (key \"kernel\", parameter -Kernel)."),
        new(ErrorIds.KernelNotFound, ErrorKind.NotFound, "Check the path of the kernel; it is a path of the control domain."),
        new(ErrorIds.GuestNotFound, ErrorKind.NotFound, "Use one of the names there are (tab completes them), or say with LIGHTVM_GUESTS in which folder the guests are (./build.sh build makes them)."),
        new(ErrorIds.KernelUnreadable, ErrorKind.PermissionDenied, "Check the permissions of the kernel, and that it is a file."),
        new(ErrorIds.KernelInvalid, ErrorKind.InvalidInput, "Use an ELF image with Xen notes, a bzImage, or one of these compressed, built for the guest type asked for."),
        new(ErrorIds.RamdiskNotFound, ErrorKind.NotFound, "Check the path of the ramdisk; it is a path of the control domain."),
        new(ErrorIds.RamdiskUnreadable, ErrorKind.PermissionDenied, "Check the permissions of the ramdisk, and that it is a file."),
        new(ErrorIds.MemoryTooSmall, ErrorKind.InvalidInput, "Give the domain more memory, or use a smaller kernel and ramdisk."),
        new(ErrorIds.InsufficientMemory, ErrorKind.ResourceExhausted, "Remove other domains, shrink dom0 (dom0_mem=, xl mem-set 0), or ask for less."),
        new(ErrorIds.CpuNotFound, ErrorKind.InvalidInput, "Use physical CPU numbers that this host has (Get-LvmHost shows how many)."),
        new(ErrorIds.BridgeNotFound, ErrorKind.NotFound, "Create the bridge (ip link add NAME type bridge), or name one that exists."),
        new(ErrorIds.GuestTypeUnsupported, ErrorKind.NotAvailable, "Choose a guest type that this hypervisor offers (Get-LvmHost shows them)."),
        new(ErrorIds.DeviceUnsupported, ErrorKind.NotAvailable, "Leave this device out: this version of LightVM does not attach devices of this kind yet."),
        new(ErrorIds.TooManyDomains, ErrorKind.ResourceExhausted, "Remove domains that are no longer needed."),
        new(ErrorIds.EventChannelsExhausted, ErrorKind.ResourceExhausted, "Remove domains, or give them fewer devices; a control domain started with xen.fifo_events=0 has 4096, any other 131072."),
        new(ErrorIds.GrantsExhausted, ErrorKind.ResourceExhausted, "Give the domains fewer devices or queues, or raise Xen's limit (gnttab_max_frames on its command line) or that of the driver xen-gntdev (its parameter limit)."),

        new(ErrorIds.DomainNameTaken, ErrorKind.Conflict, "Choose another name, or remove the domain that has it."),
        new(ErrorIds.DomainUuidTaken, ErrorKind.Conflict, "Leave the uuid out, so that a random one is used, or remove the domain that has it."),
        new(ErrorIds.DomainNotFound, ErrorKind.NotFound, "Get-LvmDomain (lightvm list) shows the domains there are."),
        new(ErrorIds.DomainAmbiguous, ErrorKind.InvalidInput, "Name the domain by its id or uuid."),
        new(ErrorIds.DomainGone, ErrorKind.NotFound, "It ended or was removed in the meantime; list the domains again."),
        new(ErrorIds.DomainProtected, ErrorKind.InvalidInput, "The control domain cannot be changed in this way."),
        new(ErrorIds.DomainInvalidState, ErrorKind.InvalidState, "Look at the domain's state (Get-LvmDomain) and try again when it fits."),
        new(ErrorIds.DomainNameInvalid, ErrorKind.InvalidInput, "A name has 1 to 80 characters out of letters, digits and . _ + : @ - and is not a number."),

        new(ErrorIds.ConsoleUnavailable, ErrorKind.NotAvailable, "Check that xenconsoled runs, that the domain has a console, and that no other program is attached to it (xl console)."),
        new(ErrorIds.TerminalRequired, ErrorKind.NotAvailable, "Start pwsh in a terminal on the host itself, or use Get-LvmConsole and Send-LvmConsole, which need none."),

        new(ErrorIds.VirtualDeviceInvalid, ErrorKind.InvalidInput, "Use a name of xen-vbd-interface(7): xvda, xvdb1, hda, sda, d0p1."),
        new(ErrorIds.NetworkAdapterInvalid, ErrorKind.InvalidInput, "Mend what is named: the address, the bridge, the rate or the number of queues."),
        new(ErrorIds.DeviceIdTaken, ErrorKind.Conflict, "Choose another virtual device, or remove the one that has it (Get-LvmDisk, Get-LvmNetworkAdapter)."),
        new(ErrorIds.TooManyDevices, ErrorKind.ResourceExhausted, "A domain has at most 16 devices of a kind, and one without a store 31 in all; remove one first."),
        new(ErrorIds.DeviceNotFound, ErrorKind.NotFound, "Get-LvmNetworkAdapter and Get-LvmDisk (lightvm network-list, block-list) show the devices there are."),
        new(ErrorIds.DeviceFailure, ErrorKind.Failure, "See the log of the device daemon (journalctl -u lightvm-devd) and of dom0's kernel (dmesg)."),
        new(ErrorIds.DeviceTimeout, ErrorKind.TimedOut, "Check that xen-netback and xen-blkback are loaded and that the device daemon answers (Get-LvmService)."),
        new(ErrorIds.DeviceBusy, ErrorKind.TimedOut, "The guest holds on to the device: unmount it there, or use -Force, which takes it away all the same."),
        new(ErrorIds.MacAddressTaken, ErrorKind.Conflict, "Leave the address out, so that a free one is made up, or choose another."),
        new(ErrorIds.DiskNotFound, ErrorKind.NotFound, "Check the path of the disk; it is a path of the control domain."),
        new(ErrorIds.DiskInvalid, ErrorKind.InvalidInput, "Use type phy for a block device and type file for an image file that is not empty."),
        new(ErrorIds.DiskInUse, ErrorKind.Conflict, "A disk that somebody may write belongs to one domain at a time: remove it there, or attach it read-only to all."),
        new(ErrorIds.StoreQuotaExceeded, ErrorKind.ResourceExhausted, "Remove domains or nodes from the store, or raise xenstored's limits (--entry-nb, --entry-size, --transaction)."),

        new(ErrorIds.ShutdownTimeout, ErrorKind.TimedOut, "Wait longer (-Timeout), or end the domain without its guest's consent (Stop-LvmDomain -Force, -TurnOff)."),
        new(ErrorIds.WaitTimeout, ErrorKind.TimedOut, "Wait longer (-Timeout), or look at the guest's console (Get-LvmConsole)."),

        new(ErrorIds.SaveFailure, ErrorKind.Failure, "Check that there is room where the image goes; see the hypervisor's log (xl dmesg) and libxc's messages in this error."),
        new(ErrorIds.RestoreFailure, ErrorKind.Failure, "Get-LvmImage (lightvm image) tells whether an image is whole; see the hypervisor's log (xl dmesg) and libxc's messages in this error."),
        new(ErrorIds.SuspendTimeout, ErrorKind.TimedOut, "Its guest has to know how to suspend (Linux with Xen support does); look at its console, and wait longer (-Timeout) where it is only slow."),

        new(ErrorIds.ImageNotFound, ErrorKind.NotFound, "Check the path of the saved image."),
        new(ErrorIds.ImageUnreadable, ErrorKind.PermissionDenied, "Check the permissions of the saved image, and that it is a file."),
        new(ErrorIds.ImageInvalid, ErrorKind.InvalidInput, "Use another copy of the image: this one is damaged or cut off (Get-LvmImage shows what is left of it)."),
        new(ErrorIds.ImageUnsupported, ErrorKind.NotAvailable, "Restore the image with the toolstack that saved it, or save the domain again without what is named."),
        new(ErrorIds.ImageExists, ErrorKind.Conflict, "Choose another path, or have the file replaced (-Force)."),
        new(ErrorIds.StreamInvalid, ErrorKind.InvalidInput, "The guest's state was damaged on its way; send or save it again."),

        new(ErrorIds.DeviceDaemonUnavailable, ErrorKind.NotAvailable, "Start the device daemon (Start-LvmService devd, systemctl start lightvm-devd)."),
        new(ErrorIds.ServiceNotFound, ErrorKind.NotFound, "Get-LvmService lists the services there are."),
        new(ErrorIds.ServiceFailure, ErrorKind.Failure, "See the service's log: journalctl -u lightvm-devd (or -poold, -noxsd), or the files in /var/log/lightvm."),

        new(ErrorIds.NoxsUnavailable, ErrorKind.NotAvailable, "Start the noxs daemon (Start-LvmService noxsd, systemctl start lightvm-noxsd), or give the guest its devices by Xenstore."),
        new(ErrorIds.NoxsFailure, ErrorKind.Failure, "See the log of the noxs daemon (journalctl -u lightvm-noxsd, or /var/log/lightvm/noxsd.log)."),

        new(ErrorIds.PoolNotFound, ErrorKind.NotFound, "Get-LvmPool (lightvm pool list) lists the pools there are."),
        new(ErrorIds.PoolExists, ErrorKind.Conflict, "Choose another name, change the pool with Set-LvmPool (lightvm pool set), or remove it first."),
        new(ErrorIds.PoolInvalid, ErrorKind.InvalidInput, "See about_LightVM for what the domains of a pool may have, and how minimum, maximum and memory budget go together."),
        new(ErrorIds.PoolDaemonUnavailable, ErrorKind.NotAvailable, "Start the pool daemon (Start-LvmService poold, systemctl start lightvm-poold)."),

        new(ErrorIds.TrustMissing, ErrorKind.NotAvailable, "Make this host's key (New-LvmTrust, lightvm trust init), and admit it at its peers."),
        new(ErrorIds.TrustExists, ErrorKind.Conflict, "Keep it, or replace it with -Force (lightvm: --force); peers have to admit a new key of this host before it is of use."),
        new(ErrorIds.TrustInvalid, ErrorKind.InvalidInput, "Give what Get-LvmTrust -Self (lightvm trust show) shows on the other host; remove a file that is damaged."),
        new(ErrorIds.TrustNameInvalid, ErrorKind.InvalidInput, "A name has 1 to 128 characters out of letters, digits and . _ : - and begins neither with a dot nor a hyphen."),
        new(ErrorIds.CertificateNotFound, ErrorKind.NotFound, "Check the path of the certificate and its permissions; Get-LvmTrust -Self (lightvm trust show) shows it on the other host."),
        new(ErrorIds.TrustUnsafe, ErrorKind.PermissionDenied, "Find out who may have changed or read it, then make it root's alone (chmod -R go= /etc/lightvm/trust)."),
        new(ErrorIds.TrustInaccessible, ErrorKind.PermissionDenied, "Run as root, and check /etc/lightvm/trust (or the folder in LIGHTVM_TRUST)."),
        new(ErrorIds.PeerUnknown, ErrorKind.NotFound, "Get-LvmTrust (lightvm trust list) shows the peers; New-LvmTrust (lightvm trust add) admits one under the name that is used for it."),
        new(ErrorIds.PeerMismatch, ErrorKind.PermissionDenied, "Somebody else may be answering. If the host has got a new key, compare it with Get-LvmTrust -Self there, and admit it with New-LvmTrust -Force."),
        new(ErrorIds.PeerRefused, ErrorKind.PermissionDenied, "Admit this host there (New-LvmTrust, lightvm trust add), with the key that Get-LvmTrust -Self (lightvm trust show) shows here."),
        new(ErrorIds.PeerBusy, ErrorKind.ResourceExhausted, "Try again when fewer domains are on their way there."),
        new(ErrorIds.HandshakeFailed, ErrorKind.Failure, "Check the port, that a lightvm receive listens there, and that this host has a key that it may use (Get-LvmTrust -Self)."),
        new(ErrorIds.ConnectionRefused, ErrorKind.NotAvailable, "Start the receiver there (lightvm receive), or check the port."),
        new(ErrorIds.ConnectionFailed, ErrorKind.NotAvailable, "Check the name of the host, the network between, and for ssh that it logs in without asking anything (ssh HOST true)."),
        new(ErrorIds.ConnectionTimeout, ErrorKind.TimedOut, "Check the network between the hosts and that the other one is not overloaded, or wait longer."),
        new(ErrorIds.ConnectionLost, ErrorKind.Failure, "Check the network, and what the other host logged; then try again."),
        new(ErrorIds.HostNameInvalid, ErrorKind.InvalidInput, "Give a host name, an address, or a name of ssh's configuration, with USER@ before it or not."),
        new(ErrorIds.InsecureTransportRefused, ErrorKind.PermissionDenied, "Use TLS or ssh, or say -Insecure (lightvm: --insecure) where nobody else can reach the network between."),
        new(ErrorIds.TransportUnavailable, ErrorKind.NotAvailable, "Install ssh's client (Debian: openssh-client), or use TLS."),
        new(ErrorIds.TlsUnavailable, ErrorKind.NotAvailable, "Install OpenSSL (Debian: libssl3), or use ssh."),
        new(ErrorIds.ListenerFailed, ErrorKind.NotAvailable, "Choose another port or address, or stop the program that listens there."),

        new(ErrorIds.SameHost, ErrorKind.InvalidInput, "Name another host: the domain is there already."),
        new(ErrorIds.CpuIncompatible, ErrorKind.NotAvailable, "Move it to a host whose CPU has the same features, or shut it down and start it there."),
        new(ErrorIds.XenIncompatible, ErrorKind.NotAvailable, "Move it to a host with the same Xen or a newer one, or bring that host up to date first."),
        new(ErrorIds.MoveRefused, ErrorKind.Failure, "See what the other host logged (journalctl -u lightvm-receive); Compare-LvmDomain (lightvm migrate --compare) asks it beforehand."),
        new(ErrorIds.MoveProtocolInvalid, ErrorKind.Failure, "Check that a lightvm receive of a fitting version answers at that port, and the network between."),
        new(ErrorIds.MoveUndecided, ErrorKind.InvalidState, "The device daemon keeps asking the other host; Resolve-LvmMove (lightvm migrate --resolve) asks it at once. Only where it is certain that the guest does not run there, -GoesOn Here (--keep) lets it go on here."),
        new(ErrorIds.DowntimeTooLong, ErrorKind.TimedOut, "Move it when it writes less, or allow a longer downtime, more rounds or more bandwidth."),

        new(ErrorIds.OperationCancelled, ErrorKind.Cancelled, "What had been begun was undone."),
    ];

    private static readonly Dictionary<string, ErrorDescription> ById = Rows.ToDictionary(row => row.Id, StringComparer.Ordinal);

    /// <summary>All rows, in the order of the documentation.</summary>
    public static IReadOnlyList<ErrorDescription> All => Rows;

    /// <summary>The row of an id.</summary>
    /// <exception cref="KeyNotFoundException">The id is not in the catalogue.</exception>
    public static ErrorDescription Get(string id) => ById[id];
}
