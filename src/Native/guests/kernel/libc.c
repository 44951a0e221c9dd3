#include "machine.h"

// By words: where the processor does not do better by itself, bytes take eight times as long.
void *memcpy(void *restrict target, const void *restrict source, size_t count)
{
    void *const result = target;
    size_t words = count / 8;
    size_t rest = count % 8;
    __asm__ volatile("rep movsq" : "+D"(target), "+S"(source), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(rest) : : "memory");
    return result;
}

void *memmove(void *target, const void *source, size_t count)
{
    if ((uintptr_t)target - (uintptr_t)source >= count)
        return memcpy(target, source, count);
    char *to = target;
    const char *from = source;
    for (size_t i = count; i-- > 0;)
        to[i] = from[i];
    return target;
}

void *memset(void *target, int value, size_t count)
{
    void *const result = target;
    size_t words = count / 8;
    size_t rest = count % 8;
    __asm__ volatile("rep stosq" : "+D"(target), "+c"(words) : "a"((uint8_t)value * 0x0101010101010101u) : "memory");
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(rest) : "a"(value) : "memory");
    return result;
}

int memcmp(const void *one, const void *other, size_t count)
{
    const unsigned char *a = one, *b = other;
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i])
            return a[i] - b[i];
    }
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

int strcmp(const char *one, const char *other)
{
    return strncmp(one, other, SIZE_MAX);
}

int strncmp(const char *one, const char *other, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (one[i] != other[i] || !one[i])
            return (unsigned char)one[i] - (unsigned char)other[i];
    }
    return 0;
}
