/* SPDX-License-Identifier: BSD-3-Clause
 * Pure store traffic: does what a trace of xenstored says that others did, waiting for each answer, with nothing in between and
 * on paths that nobody else looks at.
 *
 * Each line of the file is WHO<TAB>WHAT<TAB>PATH<TAB>VALUE, as bench/LightVM.Bench writes it: "start", "commit", "write", "read",
 * "list", "permit" (its value goes unread: the owner is we), "watch", "unwatch", "remove". Prints CSV, one line a run, in milliseconds. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#define MAX_OPERATIONS 1024
#define MAX_WHO 8

enum what { START, COMMIT, WRITE, READ, LIST, PERMIT, WATCH, UNWATCH, REMOVE, WHATS };

static const char *const what_names[WHATS] = { "start", "commit", "write", "read", "list", "permit", "watch", "unwatch", "remove" };

struct operation {
    enum what what;
    int who;
    char *path;
    char *value;
};

static struct xs_handle *store;
static struct operation operations[MAX_OPERATIONS];
static int operation_count;
static char *who_names[MAX_WHO];
static int who_count;

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int index_of_who(const char *name)
{
    for (int i = 0; i < who_count; i++) {
        if (!strcmp(who_names[i], name))
            return i;
    }
    if (who_count == MAX_WHO)
        die("too many parties");
    who_names[who_count] = strdup(name);
    return who_count++;
}

static void load(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file)
        die(path);
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) > 0) {
        char *rest = line;
        rest[strcspn(rest, "\n")] = '\0';
        const char *fields[4] = { "", "", "", "" };
        for (int i = 0; i < 4 && rest; i++)
            fields[i] = strsep(&rest, "\t");
        int what = 0;
        while (what < WHATS && strcmp(what_names[what], fields[1]))
            what++;
        if (what == WHATS || operation_count == MAX_OPERATIONS) {
            errno = EINVAL;
            die(fields[1]);
        }
        operations[operation_count++] = (struct operation){
            .what = (enum what)what, .who = index_of_who(fields[0]), .path = strdup(fields[2]), .value = strdup(fields[3])
        };
    }
    free(line);
    fclose(file);
}

/* What does not succeed did not where it was traced either, or is a transaction that met another. */
static void perform(const struct operation *operation, xs_transaction_t *transactions)
{
    xs_transaction_t *transaction = &transactions[operation->who];
    struct xs_permissions ours[] = { { .id = 0, .perms = XS_PERM_NONE }, { .id = 0, .perms = XS_PERM_READ } };
    unsigned int count;
    switch (operation->what) {
    case START: *transaction = xs_transaction_start(store); break;
    case COMMIT:
        xs_transaction_end(store, *transaction, false);
        *transaction = XBT_NULL;
        break;
    case WRITE: xs_write(store, *transaction, operation->path, operation->value, (unsigned int)strlen(operation->value)); break;
    case READ: free(xs_read(store, *transaction, operation->path, &count)); break;
    case LIST: free(xs_directory(store, *transaction, operation->path, &count)); break;
    case PERMIT: xs_set_permissions(store, *transaction, operation->path, ours, 2); break;
    case WATCH: xs_watch(store, operation->path, operation->value); break;
    case UNWATCH: xs_unwatch(store, operation->path, operation->value); break;
    case REMOVE: xs_rm(store, *transaction, operation->path); break;
    case WHATS: break;
    }
}

static double run(double *times)
{
    xs_transaction_t transactions[MAX_WHO] = { XBT_NULL };
    double begin = now_ms(), before = begin;
    for (int i = 0; i < operation_count; i++) {
        perform(&operations[i], transactions);
        double after = now_ms();
        times[operations[i].who] += after - before;
        before = after;
    }
    return before - begin;
}

/* Whatever is left: nodes, watches, and the events that nobody read. */
static void clean_up(const char *root)
{
    for (int i = 0; i < operation_count; i++) {
        if (operations[i].what == WATCH)
            xs_unwatch(store, operations[i].path, operations[i].value);
    }
    xs_rm(store, XBT_NULL, root);
    char **event;
    while ((event = xs_check_watch(store)))
        free(event);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        { "file", required_argument, NULL, 'f' },    { "root", required_argument, NULL, 'r' },
        { "watch", required_argument, NULL, 'W' },   { "count", required_argument, NULL, 'n' },
        { "warm-up", required_argument, NULL, 'w' }, { "pause", required_argument, NULL, 's' },
        { 0 },
    };
    const char *file = NULL, *root = NULL, *watch = NULL;
    int count = 1, warm_up = 0, option;
    unsigned int pause_ms = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) > 0) {
        switch (option) {
        case 'f': file = optarg; break;
        case 'r': root = optarg; break;
        case 'W': watch = optarg; break;
        case 'n': count = (int)strtol(optarg, NULL, 10); break;
        case 'w': warm_up = (int)strtol(optarg, NULL, 10); break;
        case 's': pause_ms = (unsigned int)strtoul(optarg, NULL, 10); break;
        default: file = NULL; optind = argc; break;
        }
    }
    if (!file || !root || optind < argc) {
        fprintf(stderr, "usage: traffic --file FILE --root PATH [--watch PATH] [--count N] [--warm-up N] [--pause MS]\n");
        return 2;
    }

    load(file);
    store = xs_open(0);
    if (!store)
        die("xs_open");
    /* As the kernel watches its backends. */
    if (watch && !xs_watch(store, watch, "kernel"))
        die(watch);
    printf("sample,total");
    for (int i = 0; i < who_count; i++)
        printf(",%s", who_names[i]);
    printf("\n");
    for (int i = -warm_up; i < count; i++) {
        double times[MAX_WHO] = { 0 };
        double total = run(times);
        clean_up(root);
        usleep(pause_ms * 1000);
        if (i < 0)
            continue;
        printf("%d,%.3f", i, total);
        for (int who = 0; who < who_count; who++)
            printf(",%.3f", times[who]);
        printf("\n");
    }
    xs_close(store);
    return 0;
}
