#include "text.h"

#include <stdbool.h>
#include <stdint.h>

struct writer {
    char *text;
    size_t length, size;
};

static void put(struct writer *to, char byte)
{
    if (to->length + 1 < to->size)
        to->text[to->length++] = byte;
}

static void put_number(struct writer *to, uint64_t number, unsigned base, unsigned width, char fill)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number);
    for (unsigned i = count; i < width; i++)
        put(to, fill);
    while (count > 0)
        put(to, digits[--count]);
}

static void put_text(struct writer *to, const char *text, unsigned width)
{
    unsigned length = 0;
    for (; text[length]; length++)
        put(to, text[length]);
    for (; length < width; length++)
        put(to, ' ');
}

size_t format_list(char *text, size_t size, const char *form, va_list values)
{
    struct writer to = {text, 0, size};
    if (size == 0)
        return 0;
    for (; *form; form++) {
        if (*form != '%') {
            put(&to, *form);
            continue;
        }
        form++;
        const char fill = *form == '0' ? '0' : ' ';
        unsigned width = 0;
        while (*form >= '0' && *form <= '9')
            width = width * 10 + (unsigned)(*form++ - '0');
        bool is_long = false;
        while (*form == 'l' || *form == 'z') {
            is_long = true;
            form++;
        }
        switch (*form) {
        case 's':
            put_text(&to, va_arg(values, const char *), width);
            break;
        case 'c':
            put(&to, (char)va_arg(values, int));
            break;
        case 'd': {
            const int64_t number = is_long ? va_arg(values, long) : va_arg(values, int);
            if (number < 0)
                put(&to, '-');
            put_number(&to, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, width, fill);
            break;
        }
        case 'u':
        case 'x':
            put_number(&to, is_long ? va_arg(values, unsigned long) : va_arg(values, unsigned), *form == 'x' ? 16 : 10, width, fill);
            break;
        case '\0': // a form that ends too early
            form--;
            break;
        default: // %%
            put(&to, *form);
        }
    }
    text[to.length] = '\0';
    return to.length;
}

size_t format(char *text, size_t size, const char *form, ...)
{
    va_list values;
    va_start(values, form);
    const size_t length = format_list(text, size, form, values);
    va_end(values);
    return length;
}
