// Uses the disk as it is told to (do=...), and says how that went: fill and check write and compare a pattern (seed=N), count goes on for ever,
// read and write measure, trespass does what it may not. docs/guests.md has the words.
#include "app.h"
#include "blkfront.h"
#include "events.h"
#include "machine.h"
#include "power.h"

enum { WORDS_OF_SECTOR = DISK_SECTOR / 8, SECTORS_OF_PAGE = PAGE_SIZE / DISK_SECTOR, MOST = DISK_PAGES * SECTORS_OF_PAGE };

// What is done: asks for the next thing, if there is one, with a request that is free; and is told how it went.
struct job {
    const char *name;
    bool (*next)(unsigned request);
    void (*done)(unsigned request, int status);
    void (*finish)(void);
};

static struct vbd_info disk;
static const struct job *job;
static unsigned depth = DISK_REQUESTS, under_way;
static bool has_begun, has_ended, powers_off;
static uint64_t seed, next_sector, answers, errors, began_at, total, most = MOST, every = 100;
static bool at_random;

// What each request was for.
static struct {
    uint64_t sector, sectors;
} asked[DISK_REQUESTS];

static void ask(unsigned request, enum disk_operation operation, uint64_t sector, uint64_t sectors)
{
    asked[request].sector = sector;
    asked[request].sectors = sectors;
    under_way++;
    blkfront_ask(request, operation, sector, sectors);
}

static uint64_t at_most(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static uint64_t pattern(uint64_t word)
{
    uint64_t mixed = (word + seed * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xbf58476d1ce4e5b9);
    return mixed ^ mixed >> 29;
}

static uint64_t *words_of(unsigned request, uint64_t sector)
{
    return (uint64_t *)blkfront_page(request, (unsigned)(sector / SECTORS_OF_PAGE)) + sector % SECTORS_OF_PAGE * WORDS_OF_SECTOR;
}

static void write_pattern(unsigned request, uint64_t first, uint64_t sectors)
{
    for (uint64_t sector = 0; sector < sectors; sector++) {
        uint64_t *const words = words_of(request, sector);
        for (uint64_t i = 0; i < WORDS_OF_SECTOR; i++)
            words[i] = pattern((first + sector) * WORDS_OF_SECTOR + i);
    }
}

// How many sectors are not what was written.
static uint64_t count_wrong(unsigned request, uint64_t first, uint64_t sectors, uint64_t *first_wrong)
{
    uint64_t wrong = 0;
    for (uint64_t sector = 0; sector < sectors; sector++) {
        const uint64_t *const words = words_of(request, sector);
        for (uint64_t i = 0; i < WORDS_OF_SECTOR; i++) {
            if (words[i] == pattern((first + sector) * WORDS_OF_SECTOR + i))
                continue;
            if (wrong++ == 0)
                *first_wrong = first + sector;
            break;
        }
    }
    return wrong;
}

static void note_error(unsigned request, int status)
{
    if (status == DISK_OKAY)
        return;
    if (errors++ == 0)
        say("status %d at sector %lu", status, asked[request].sector);
}

// --- fill, and flush ---

static bool is_flushed;

static bool fill_next(unsigned request)
{
    const uint64_t sectors = at_most(most, disk.sectors - next_sector);
    if (sectors > 0) {
        write_pattern(request, next_sector, sectors);
        ask(request, DISK_WRITE, next_sector, sectors);
        next_sector += sectors;
        return true;
    }
    if (under_way > 0 || is_flushed)
        return false;
    is_flushed = true;
    ask(request, DISK_FLUSH, 0, 0);
    return true;
}

static void fill_finish(void)
{
    say("filled %lu sectors, %lu errors", next_sector, errors);
}

// --- check ---

static uint64_t wrong, first_wrong;

static bool check_next(unsigned request)
{
    const uint64_t sectors = at_most(most, disk.sectors - next_sector);
    if (sectors == 0)
        return false;
    ask(request, DISK_READ, next_sector, sectors);
    next_sector += sectors;
    return true;
}

static void check_done(unsigned request, int status)
{
    uint64_t where = 0;
    note_error(request, status);
    if (status != DISK_OKAY)
        return;
    const uint64_t here = count_wrong(request, asked[request].sector, asked[request].sectors, &where);
    if (here > 0 && (wrong == 0 || where < first_wrong))
        first_wrong = where;
    wrong += here;
}

static void check_finish(void)
{
    if (wrong > 0)
        say("the first wrong sector is %lu", first_wrong);
    say("checked %lu sectors, %lu wrong, %lu errors", next_sector, wrong, errors);
}

// --- count: write, flush, read back; one after the other, for ever ---

static uint64_t rounds;
static enum { TO_WRITE, TO_FLUSH, TO_READ } step;

static bool count_next(unsigned request)
{
    if (under_way > 0)
        return false;
    const uint64_t sectors = at_most(SECTORS_OF_PAGE, disk.sectors), place = rounds * 7 % (disk.sectors / sectors) * sectors;
    seed = rounds;
    if (step == TO_WRITE)
        write_pattern(request, place, sectors);
    else if (step == TO_READ)
        memset(blkfront_page(request, 0), 0, PAGE_SIZE);
    ask(request, step == TO_WRITE ? DISK_WRITE : step == TO_FLUSH ? DISK_FLUSH : DISK_READ, place, sectors);
    return true;
}

static void count_done(unsigned request, int status)
{
    note_error(request, status);
    if (step == TO_READ) {
        uint64_t where;
        if (status != DISK_OKAY || count_wrong(request, asked[request].sector, asked[request].sectors, &where) > 0)
            say("count %lu is wrong, status %d", rounds, status);
        if (++rounds % every == 0)
            say("count %lu", rounds);
        step = TO_WRITE;
    } else {
        step++;
    }
}

// --- read and write, measured ---

static bool measure_next(unsigned request)
{
    if (next_sector >= total)
        return false;
    const uint64_t places = disk.sectors / most;
    const uint64_t place = (at_random ? pattern(next_sector) % places : next_sector / most % places) * most;
    ask(request, job->name[0] == 'r' ? DISK_READ : DISK_WRITE, place, most);
    next_sector += most;
    return true;
}

static void measure_finish(void)
{
    const uint64_t time = clock_now() - began_at;
    say("%s %lu KiB in %lu us, %lu requests, %lu us each, %lu errors", job->name, next_sector / 2, time / 1000, answers,
        time / 1000 / (answers ? answers : 1), errors);
}

// --- discard, and flush ---

static int status_of_discard, status_of_flush;

static bool discard_next(unsigned request)
{
    if (under_way > 0 || answers == 2)
        return false;
    if (answers == 0)
        ask(request, DISK_DISCARD, 0, disk.sectors);
    else
        ask(request, DISK_FLUSH, 0, 0);
    return true;
}

static void discard_done(unsigned request, int status)
{
    (void)request;
    if (answers == 1)
        status_of_discard = status;
    else
        status_of_flush = status;
}

static void discard_finish(void)
{
    say("flush %d", status_of_flush);
    say("discard %d", status_of_discard);
}

// --- trespass: one after the other ---

static const struct {
    const char *name;
    int operation;
    bool is_beyond;
} trespasses[] = {{"read beyond", DISK_READ, true},   {"write beyond", DISK_WRITE, true}, {"write", DISK_WRITE, false}, {"unknown", 99, false},
                  {"discard", DISK_DISCARD, false}, {"flush", DISK_FLUSH, false},       {"read", DISK_READ, false}};

static bool trespass_next(unsigned request)
{
    const uint64_t i = answers;
    if (under_way > 0 || i == sizeof trespasses / sizeof *trespasses)
        return false;
    ask(request, (enum disk_operation)trespasses[i].operation, trespasses[i].is_beyond ? disk.sectors : 0, SECTORS_OF_PAGE);
    return true;
}

static void trespass_done(unsigned request, int status)
{
    (void)request;
    say("trespass: %s %d", trespasses[answers - 1].name, status);
}

static void trespass_finish(void)
{
    say("trespassed");
}

// --- ---

static const struct job jobs[] = {
    {"fill", fill_next, note_error, fill_finish},          {"check", check_next, check_done, check_finish},
    {"count", count_next, count_done, NULL},               {"read", measure_next, note_error, measure_finish},
    {"write", measure_next, note_error, measure_finish},   {"discard", discard_next, discard_done, discard_finish},
    {"trespass", trespass_next, trespass_done, trespass_finish},
};

static uint64_t go_on(void)
{
    while (has_begun && !has_ended && job && under_way < depth) {
        const int request = blkfront_free();
        if (request < 0)
            return NEVER;
        if (!job->next((unsigned)request)) {
            blkfront_leave((unsigned)request);
            if (under_way > 0)
                return NEVER;
            has_ended = true;
            job->finish();
            if (powers_off)
                power_request("poweroff", 8);
            return clock_now(); // the kernel obeys in its next round, for which nothing else need happen
        }
    }
    return NEVER;
}

static void up(const struct vbd_info *found)
{
    say("%lu sectors of %u bytes, %s%s%s", found->sectors, found->sector_size, found->read_only ? "read-only" : "read-write",
        found->flush ? ", flush" : "", found->discard ? ", discard" : "");
    if (has_begun)
        return; // what was begun goes on with the size that it was begun with
    disk = *found;
    if (disk.sectors == 0) {
        say("there is nothing to do with an empty disk");
        return;
    }
    has_begun = true;
    began_at = clock_now();
    most = at_most(most, disk.sectors);
    if (total == 0)
        total = disk.sectors;
}

static void down(void)
{
    say("the disk is away");
}

static void done(unsigned request, int status)
{
    under_way--;
    answers++;
    job->done(request, status);
}

static uint64_t number_option(const char *name, uint64_t otherwise, uint64_t least, uint64_t greatest)
{
    char text[24];
    uint64_t number = 0;
    if (!app_option(name, text, sizeof text))
        return otherwise;
    for (const char *digit = text; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || number > greatest) {
            number = greatest + 1; // no number at all, or too great a one
            break;
        }
        number = number * 10 + (uint64_t)(*digit - '0');
    }
    if (number >= least && number <= greatest)
        return number;
    say("%s is not %lu to %lu", name, least, greatest);
    return otherwise;
}

void app_start(void)
{
    static const struct blkfront_user user = {up, down, done};
    char word[16];
    seed = number_option("seed", 0, 0, UINT32_MAX);
    depth = (unsigned)number_option("depth", DISK_REQUESTS, 1, DISK_REQUESTS);
    most = number_option("size", MOST / 2, 4, MOST / 2) * 2 / SECTORS_OF_PAGE * SECTORS_OF_PAGE;
    total = number_option("total", 0, 1, UINT32_MAX) * 2048;
    every = number_option("every", every, 1, UINT32_MAX);
    at_random = number_option("random", 0, 0, 1);
    powers_off = app_option("then", word, sizeof word) && strcmp(word, "poweroff") == 0;
    if (app_option("do", word, sizeof word)) {
        for (unsigned i = 0; i < sizeof jobs / sizeof *jobs; i++) {
            if (strcmp(jobs[i].name, word) == 0)
                job = &jobs[i];
        }
        if (!job)
            say("there is no do=%s", word);
    }
    blkfront_start(&user, depth, (unsigned)(most / SECTORS_OF_PAGE));
    app_each_round(go_on);
}
