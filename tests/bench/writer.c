/* Writes to a file system in one pattern and prints what the clock said, as JSON.
 *
 *   writer create DIR COUNT SIZE   COUNT files of SIZE bytes in directories of 500: open, write, close each
 *   writer large FILE MIB          MIB mebibytes in pieces of one, then fsync
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "writer: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Bytes that no file system makes smaller, another content for each seed. */
static void fill(char *buffer, size_t size, uint64_t seed) {
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(buffer + i, &x, 8);
    }
}

static void put(const char *path, const char *buffer, size_t size, size_t times, int durable) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (fd < 0) die(path);
    for (size_t i = 0; i < times; i++)
        if (write(fd, buffer, size) != (ssize_t)size) die(path);
    if (durable && fsync(fd)) die(path);
    if (close(fd)) die(path);
}

static uint64_t create(const char *dir, size_t count, size_t size, char *buffer) {
    char path[4096];
    uint64_t start = now();
    for (size_t i = 0; i < count; i++) {
        if (i % 500 == 0) {
            snprintf(path, sizeof path, "%s/%05zu", dir, i / 500);
            if (mkdir(path, 0755)) die(path);
        }
        snprintf(path, sizeof path, "%s/%05zu/%05zu.bin", dir, i / 500, i % 500);
        memcpy(buffer, &i, sizeof i);
        put(path, buffer, size, 1, 0);
    }
    return now() - start;
}

int main(int argc, char **argv) {
    uint64_t took;
    char *buffer = malloc(MIB);
    if (!buffer) die("memory");
    fill(buffer, MIB, 7);
    if (argc == 5 && !strcmp(argv[1], "create")) {
        size_t size = strtoul(argv[4], NULL, 10);
        if (size > MIB) size = MIB;
        took = create(argv[2], strtoul(argv[3], NULL, 10), size, buffer);
    } else if (argc == 4 && !strcmp(argv[1], "large")) {
        uint64_t start = now();
        put(argv[2], buffer, MIB, strtoul(argv[3], NULL, 10), 1);
        took = now() - start;
    } else {
        fprintf(stderr, "usage: writer create DIR COUNT SIZE | writer large FILE MIB\n");
        return 2;
    }
    printf("{\"ns\": %llu}\n", (unsigned long long)took);
    return 0;
}
