#include "calendar.h"

#include <stdbool.h>

#include "text.h"

static bool is_leap(uint64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

size_t calendar_format(char *text, size_t size, uint64_t seconds)
{
    static const char *const weekdays[] = {"Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"}; // 1970 began on the first
    static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                         "July",    "August",   "September", "October", "November", "December"};
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    uint64_t days = seconds / 86400;
    const char *const weekday = weekdays[days % 7];
    uint64_t year = 1970;
    for (; days >= (is_leap(year) ? 366u : 365u); year++)
        days -= is_leap(year) ? 366 : 365;
    unsigned month = 0;
    for (;; month++) {
        const unsigned length = lengths[month] + (month == 1 && is_leap(year) ? 1u : 0u);
        if (days < length)
            break;
        days -= length;
    }
    return format(text, size, "%s, %s %lu, %lu %02lu:%02lu:%02lu-UTC", weekday, months[month], days + 1, year,
                  seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
}
