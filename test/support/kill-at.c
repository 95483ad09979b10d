/* Preloaded: kills the process right after the KILL_AT-th change below the directory KILL_BELOW, as a kill or the end of a machine
 * would at that moment. What SQLite does counts, too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count;

static int is_below(const char *path) {
  const char *root = getenv("KILL_BELOW");
  return root != NULL && strncmp(path, root, strlen(root)) == 0 && path[strlen(root)] == '/';
}

static int is_open_below(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_below(path);
}

static void changed(int counts) {
  if (!counts) return;
  pthread_mutex_lock(&lock);
  const char *at = getenv("KILL_AT");
  if (at != NULL && ++count == atol(at)) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
  }
  pthread_mutex_unlock(&lock);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CHANGE(type, name, counts, words, ...) \
  type name words {                            \
    type result = NEXT(name)(__VA_ARGS__);     \
    changed(counts);                           \
    return result;                             \
  }

CHANGE(ssize_t, write, is_open_below(fd), (int fd, const void *bytes, size_t size), fd, bytes, size)
CHANGE(ssize_t, pwrite64, is_open_below(fd), (int fd, const void *bytes, size_t size, off64_t at), fd, bytes, size, at)
CHANGE(ssize_t, writev, is_open_below(fd), (int fd, const struct iovec *parts, int size), fd, parts, size)
CHANGE(int, fsync, is_open_below(fd), (int fd), fd)
CHANGE(int, fdatasync, is_open_below(fd), (int fd), fd)
CHANGE(int, ftruncate64, is_open_below(fd), (int fd, off64_t size), fd, size)
CHANGE(int, rename, is_below(to), (const char *from, const char *to), from, to)
CHANGE(int, unlink, is_below(path), (const char *path), path)
