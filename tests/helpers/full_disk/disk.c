/* A disk that is full from the n-th write on: preloaded, it refuses what would take room below one folder.
 * The last write(2) that still fits is cut in the middle, as a full disk does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long left = -1, used; /* -1: there is room */
static char folder[PATH_MAX], names[1 << 20];
static size_t named;

void fill_disk(long after, const char *below) {
    snprintf(folder, sizeof folder, "%s", below);
    used = 0;
    left = after;
}

long writes(void) { return used; }

/* What was written below the folder, a line a write. */
const char *written(void) { return names; }

static int below(const char *path) {
    if (strncmp(path, folder, strlen(folder)) != 0) return 0;
    if (left >= 0) named += (size_t)snprintf(names + named, sizeof names - named, "%s\n", path + strlen(folder));
    return 1;
}

static int of_name(int at, const char *name) {
    char real[PATH_MAX], link[64];
    if (*folder == 0) return 0;
    if (name[0] == '/') return below(name);
    if (at == AT_FDCWD) return getcwd(real, sizeof real) != NULL && below(real);
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t size = readlink(link, real, sizeof real - 1);
    return size > 0 && (real[size] = 0, below(real));
}

static int of_descriptor(int fd) { return of_name(fd, ""); }

static int full(void) {
    if (left < 0) return 0;
    if (++used <= left) return 0;
    errno = ENOSPC;
    return 1;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (of_descriptor(fd)) {
        if (left >= 0 && used + 1 == left && size > 1) size /= 2; /* a part of it still fits */
        if (full()) return -1;
    }
    return real(fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL(pwrite64);
    return of_descriptor(fd) && full() ? -1 : real(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL(pwrite);
    return of_descriptor(fd) && full() ? -1 : real(fd, data, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    return of_descriptor(fd) && full() ? -1 : real(fd, parts, count);
}

ssize_t sendfile(int to, int from, off_t *at, size_t size) {
    static ssize_t (*real)(int, int, off_t *, size_t);
    if (!real) real = (ssize_t(*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile");
    return of_descriptor(to) && full() ? -1 : real(to, from, at, size);
}

ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t size, unsigned flags) {
    REAL(copy_file_range);
    return of_descriptor(to) && full() ? -1 : real(from, a, to, b, size, flags);
}

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    return of_descriptor(fd) && full() ? -1 : real(fd, size);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return of_name(AT_FDCWD, path) && full() ? -1 : real(path, mode);
}

int symlink(const char *to, const char *path) {
    REAL(symlink);
    return of_name(AT_FDCWD, path) && full() ? -1 : real(to, path);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    return of_name(AT_FDCWD, to) && full() ? -1 : real(from, to);
}

static int opened(int at, const char *path, int flags) { return (flags & O_CREAT) && of_name(at, path) && full(); }

#define OPEN(name, parameters, arguments, at)                                                                          \
    int name parameters {                                                                                              \
        REAL(name);                                                                                                    \
        mode_t mode = 0;                                                                                               \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                           \
            va_list rest;                                                                                              \
            va_start(rest, flags);                                                                                     \
            mode = va_arg(rest, mode_t);                                                                               \
            va_end(rest);                                                                                              \
        }                                                                                                              \
        return opened(at, path, flags) ? -1 : real arguments;                                                          \
    }

OPEN(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPEN(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)
OPEN(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)
