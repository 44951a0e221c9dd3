using System.Runtime.InteropServices;
using LightVM.Linux;

namespace LightVM.Consoles;

/// <summary>
/// The one thread of a process that waits for whatever happens to its consoles: poll(2) on their terminals and on the processes that
/// pump elsewhere, inotify(7) for the spools. It is there for as long as there are consoles.
/// </summary>
internal static unsafe class ConsoleHub
{
    private static readonly object Lock = new();
    private static readonly Dictionary<int, SharedConsole> Consoles = []; // by inotify's watch
    private static WakeFile? _wake;
    private static int _notifications = -1;

    /// <summary>Watches a console's spool and polls what it asks for, until it is removed. Gives the watch.</summary>
    public static int Add(SharedConsole console, string path)
    {
        lock (Lock)
        {
            if (_wake is null) Start();
            var watch = Libc.AddWatch(_notifications, path, SharedConsole.SpoolEvents);
            if (watch < 0) throw Libc.Failure("inotify_add_watch");
            Consoles[watch] = console;
            return watch;
        }
    }

    /// <summary>Of a spool that is written here only its removal is news.</summary>
    public static void ExpectRemoval(string path)
    {
        lock (Lock) _ = Libc.AddWatch(_notifications, path, Libc.AttributesChanged);
    }

    public static void Remove(int watch)
    {
        lock (Lock)
        {
            if (!Consoles.Remove(watch)) return;
            _ = Libc.RemoveWatch(_notifications, watch);
            _wake!.Wake();
        }
    }

    /// <summary>A console has something else to be polled for than before.</summary>
    public static void LookAgain()
    {
        lock (Lock) _wake?.Wake();
    }

    private static void Start()
    {
        _notifications = Libc.NotificationFile(Libc.OpenNonBlocking | Libc.OpenCloseOnExec);
        if (_notifications < 0) throw Libc.Failure("inotify_init1");
        _wake = new WakeFile();
        new Thread(Run) { IsBackground = true, Name = "LightVM consoles" }.Start();
    }

    private static void Run()
    {
        var files = Array.Empty<Libc.PollFile>();
        while (true)
        {
            SharedConsole[] consoles;
            lock (Lock)
            {
                if (Consoles.Count == 0)
                {
                    _wake!.Dispose();
                    _wake = null;
                    _ = Libc.Close(_notifications);
                    return;
                }

                _wake!.Clear();
                consoles = [.. Consoles.Values];
            }

            if (files.Length < consoles.Length + 2) files = new Libc.PollFile[consoles.Length * 2 + 2];
            files[0] = new Libc.PollFile { File = _wake.File, Events = Libc.PollIn };
            files[1] = new Libc.PollFile { File = _notifications, Events = Libc.PollIn };
            for (var i = 0; i < consoles.Length; i++) files[i + 2] = new Libc.PollFile { File = consoles[i].PolledFile, Events = Libc.PollIn };
            int count;
            fixed (Libc.PollFile* first = files) count = Libc.Poll(first, (nuint)(consoles.Length + 2), -1);
            if (count <= 0) continue; // a signal
            if (files[1].Happened != 0) ReadNotifications();
            for (var i = 0; i < consoles.Length; i++)
            {
                if (files[i + 2].Happened != 0) consoles[i].OnPolled();
            }
        }
    }

    private static void ReadNotifications()
    {
        const int Size = 4096;
        var buffer = stackalloc byte[Size];
        for (nint count; (count = Libc.Read(_notifications, buffer, Size)) > 0;)
        {
            for (nint at = 0; at < count;)
            {
                var notification = Marshal.PtrToStructure<Libc.Notification>((nint)buffer + at);
                at += sizeof(Libc.Notification) + (nint)notification.NameLength;
                foreach (var console in Meant(notification)) console.OnSpool(notification.Events);
            }
        }
    }

    private static SharedConsole[] Meant(Libc.Notification notification)
    {
        lock (Lock)
        {
            if ((notification.Events & Libc.EventsLost) != 0) return [.. Consoles.Values];
            return Consoles.TryGetValue(notification.Watch, out var console) ? [console] : [];
        }
    }
}
