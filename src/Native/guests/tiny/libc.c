#include "guest.h"

void *memcpy(void *restrict target, const void *restrict source, size_t count)
{
    void *const result = target;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
    return result;
}

void *memset(void *target, int value, size_t count)
{
    void *const result = target;
    __asm__ volatile("rep stosb" : "+D"(target), "+c"(count) : "a"(value) : "memory");
    return result;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}
