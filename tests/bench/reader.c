/* Reads a file system in one pattern and prints what the clock said, as JSON.
 *
 * One program for every file system, so that the reader's own cost is the same everywhere and small. What it needs
 * (lists of names, buffers) is in memory before the clock starts.
 *
 *   reader files THREADS LIST ROOT      open, read, close each file of LIST
 *   reader stat LIST ROOT               lstat each
 *   reader walk ROOT                    readdir and fstatat of all below
 *   reader seq THREADS FILE             each thread its own part, in 1 MiB reads
 *   reader random FILE BLOCK COUNT SEED pread at random multiples of BLOCK
 *   reader mmap FILE                    touch every page in order
 *   reader first FILE                   open and read one byte
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
    fprintf(stderr, "reader: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *take(size_t size) {
    void *memory = malloc(size ? size : 1);
    if (!memory) die("memory");
    return memory;
}

struct part {
    pthread_t thread;
    char **paths;
    uint64_t *each;
    size_t count, first, step;
    const char *path;
    off_t start, end;
    uint64_t bytes;
};

static uint64_t read_all(int fd, char *buffer) {
    uint64_t total = 0;
    ssize_t got;
    while ((got = read(fd, buffer, MIB)) > 0) total += (uint64_t)got;
    if (got < 0) die("read");
    return total;
}

static void *read_files(void *argument) {
    struct part *part = argument;
    char *buffer = take(MIB);
    for (size_t i = part->first; i < part->count; i += part->step) {
        uint64_t start = now();
        int fd = open(part->paths[i], O_RDONLY);
        if (fd < 0) die(part->paths[i]);
        part->bytes += read_all(fd, buffer);
        close(fd);
        part->each[i] = now() - start;
    }
    free(buffer);
    return NULL;
}

static void *read_part(void *argument) {
    struct part *part = argument;
    char *buffer = take(MIB);
    int fd = open(part->path, O_RDONLY);
    if (fd < 0) die(part->path);
    for (off_t at = part->start; at < part->end;) {
        off_t left = part->end - at;
        ssize_t got = pread(fd, buffer, left < MIB ? (size_t)left : MIB, at);
        if (got < 0) die("pread");
        if (got == 0) break;
        at += got;
        part->bytes += (uint64_t)got;
    }
    close(fd);
    free(buffer);
    return NULL;
}

static uint64_t run(struct part *parts, size_t threads, void *(*work)(void *), uint64_t *bytes) {
    uint64_t start = now();
    for (size_t t = 1; t < threads; t++)
        if (pthread_create(&parts[t].thread, NULL, work, &parts[t])) die("thread");
    work(&parts[0]);
    for (size_t t = 1; t < threads; t++) pthread_join(parts[t].thread, NULL);
    uint64_t took = now() - start;
    for (size_t t = 0; t < threads; t++) *bytes += parts[t].bytes;
    return took;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(uint64_t ns, uint64_t ops, uint64_t bytes, uint64_t *each) {
    uint64_t half = 0, most = 0;
    if (each && ops) {
        qsort(each, ops, sizeof *each, by_value);
        half = each[ops / 2];
        most = each[ops * 99 / 100];
    }
    printf("{\"ns\": %llu, \"ops\": %llu, \"bytes\": %llu, \"p50\": %llu, \"p99\": %llu}\n", (unsigned long long)ns,
           (unsigned long long)ops, (unsigned long long)bytes, (unsigned long long)half, (unsigned long long)most);
}

static char **read_list(const char *list, const char *root, size_t *count) {
    FILE *file = fopen(list, "r");
    if (!file) die(list);
    char **paths = NULL, *line = NULL;
    size_t room = 0, used = 0, size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, file)) > 0) {
        if (line[length - 1] == '\n') line[length - 1] = 0;
        if (used == room && !(paths = realloc(paths, (room = room ? room * 2 : 1024) * sizeof *paths))) die("memory");
        if (asprintf(&paths[used++], "%s/%s", root, line) < 0) die("memory");
    }
    free(line);
    fclose(file);
    *count = used;
    return paths;
}

static void files(size_t threads, const char *list, const char *root) {
    size_t count;
    char **paths = read_list(list, root, &count);
    uint64_t *each = take(count * sizeof *each), bytes = 0;
    struct part *parts = calloc(threads, sizeof *parts);
    for (size_t t = 0; t < threads; t++)
        parts[t] = (struct part){.paths = paths, .each = each, .count = count, .first = t, .step = threads};
    uint64_t took = run(parts, threads, read_files, &bytes);
    report(took, count, bytes, each);
}

static void stats(const char *list, const char *root) {
    size_t count;
    char **paths = read_list(list, root, &count);
    uint64_t bytes = 0, start = now();
    for (size_t i = 0; i < count; i++) {
        struct stat found;
        if (lstat(paths[i], &found)) die(paths[i]);
        bytes += (uint64_t)found.st_size;
    }
    report(now() - start, count, bytes, NULL);
}

static uint64_t walk(int parent, const char *name, uint64_t *bytes) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) die(name);
    DIR *directory = fdopendir(fd);
    if (!directory) die(name);
    uint64_t seen = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat found;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (fstatat(fd, entry->d_name, &found, AT_SYMLINK_NOFOLLOW)) die(entry->d_name);
        seen++;
        *bytes += (uint64_t)found.st_size;
        if (S_ISDIR(found.st_mode)) seen += walk(fd, entry->d_name, bytes);
    }
    closedir(directory);
    return seen;
}

static off_t size_of(const char *path) {
    struct stat found;
    if (stat(path, &found)) die(path);
    return found.st_size;
}

static void sequential(size_t threads, const char *path) {
    off_t size = size_of(path);
    uint64_t bytes = 0;
    struct part *parts = calloc(threads, sizeof *parts);
    for (size_t t = 0; t < threads; t++)
        parts[t] = (struct part){.path = path,
                                 .start = size / (off_t)threads * (off_t)t,
                                 .end = t + 1 == threads ? size : size / (off_t)threads * (off_t)(t + 1)};
    uint64_t took = run(parts, threads, read_part, &bytes);
    report(took, bytes / MIB, bytes, NULL);
}

static uint64_t mixed(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void random_reads(const char *path, size_t block, size_t count, uint64_t seed) {
    uint64_t blocks = (uint64_t)size_of(path) / block, bytes = 0, *each = take(count * sizeof *each);
    char *buffer = take(block);
    int fd = open(path, O_RDONLY);
    if (fd < 0) die(path);
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    uint64_t start = now();
    for (size_t i = 0; i < count; i++) {
        uint64_t before = now();
        ssize_t got = pread(fd, buffer, block, (off_t)(mixed(&seed) % blocks * block));
        if (got < 0) die("pread");
        bytes += (uint64_t)got;
        each[i] = now() - before;
    }
    report(now() - start, count, bytes, each);
}

static void mapped(const char *path) {
    size_t size = (size_t)size_of(path);
    int fd = open(path, O_RDONLY);
    if (fd < 0) die(path);
    uint64_t start = now(), sum = 0;
    const unsigned char *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) die("mmap");
    for (size_t at = 0; at < size; at += 4096) sum += memory[at];
    uint64_t took = now() - start;
    volatile uint64_t kept = sum;
    (void)kept;
    report(took, size / 4096, size, NULL);
}

static void first(const char *path) {
    char byte;
    uint64_t start = now();
    int fd = open(path, O_RDONLY);
    if (fd < 0) die(path);
    ssize_t got = read(fd, &byte, 1);
    if (got < 0) die("read");
    report(now() - start, 1, (uint64_t)got, NULL);
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    if (!strcmp(what, "files") && count == 5) files((size_t)atol(words[2]), words[3], words[4]);
    else if (!strcmp(what, "stat") && count == 4) stats(words[2], words[3]);
    else if (!strcmp(what, "walk") && count == 3) {
        uint64_t bytes = 0, start = now(), seen = walk(AT_FDCWD, words[2], &bytes);
        report(now() - start, seen, bytes, NULL);
    } else if (!strcmp(what, "seq") && count == 4) sequential((size_t)atol(words[2]), words[3]);
    else if (!strcmp(what, "random") && count == 6)
        random_reads(words[2], (size_t)atol(words[3]), (size_t)atol(words[4]), (uint64_t)atoll(words[5]));
    else if (!strcmp(what, "mmap") && count == 3) mapped(words[2]);
    else if (!strcmp(what, "first") && count == 3) first(words[2]);
    else {
        fprintf(stderr, "reader: see the head of reader.c\n");
        return 2;
    }
    return 0;
}
