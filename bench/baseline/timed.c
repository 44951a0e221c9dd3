/* SPDX-License-Identifier: BSD-3-Clause
 * timed [-q] COMMAND ARGUMENT...: runs it with its output thrown away and prints how long it took, in milliseconds. Exits as it
 * did. With -q, what it says on its error stream is thrown away as well: xl tells of each save there.
 *
 * A process started from .NET carries .NET's own cost in its time, which under emulation is no trifle. */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    bool is_quiet = argc > 1 && !strcmp(argv[1], "-q");
    argv += is_quiet;
    argc -= is_quiet;
    if (argc < 2) {
        fprintf(stderr, "usage: timed [-q] COMMAND ARGUMENT...\n");
        return 2;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (is_quiet)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);

    double begin = now_ms();
    pid_t child;
    int error = posix_spawnp(&child, argv[1], &actions, NULL, argv + 1, environ);
    if (error) {
        fprintf(stderr, "timed: %s: %s\n", argv[1], strerror(error));
        return 127;
    }
    int status = 0;
    if (waitpid(child, &status, 0) < 0)
        return 126;
    printf("%.3f\n", now_ms() - begin);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
