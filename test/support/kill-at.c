/* Preloaded: kills the process right after the KILL_AT-th change below the directory KILL_BELOW, as a kill or the end of a machine
 * would at that moment. With FAIL_AS, an error's number, that change is not made and fails so instead; FAIL_AS=0 writes half
 * of it, and with FAIL_ON=1 all later changes fail, too. With FAIL_AS=24 (EMFILE) files that are opened to be read count, too.
 * Without KILL_AT nothing happens, and the number of all changes is written to the file KILL_COUNT. What SQLite does counts. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Whether this is the change that KILL_AT names, or a later one that fails, too. */
static int is_due(int counts) {
  const char *at = getenv("KILL_AT");
  if (!counts) return 0;
  pthread_mutex_lock(&lock);
  long now = ++count;
  pthread_mutex_unlock(&lock);
  if (at == NULL) return 0;
  return now == atol(at) || (now > atol(at) && getenv("FAIL_ON") != NULL);
}

static void killed(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CHANGE(type, name, counts, half, words, ...)       \
  type name words {                                        \
    int due = is_due(counts);                              \
    const char *as = getenv("FAIL_AS");                    \
    if (due && as != NULL && atoi(as) != 0) {              \
      errno = atoi(as);                                    \
      return -1;                                           \
    }                                                      \
    if (due && as != NULL) half;                           \
    type result = NEXT(name)(__VA_ARGS__);                 \
    if (due && as == NULL) killed();                       \
    return result;                                         \
  }
#define WHOLE (void)0

CHANGE(ssize_t, write, is_open_below(fd), size = size > 1 ? size / 2 : size, (int fd, const void *bytes, size_t size), fd, bytes, size)
CHANGE(ssize_t, pwrite64, is_open_below(fd), size = size > 1 ? size / 2 : size, (int fd, const void *bytes, size_t size, off64_t at), fd, bytes, size, at)
CHANGE(ssize_t, writev, is_open_below(fd), size = size > 1 ? size / 2 : size, (int fd, const struct iovec *parts, int size), fd, parts, size)
CHANGE(int, fsync, is_open_below(fd), WHOLE, (int fd), fd)
CHANGE(int, fdatasync, is_open_below(fd), WHOLE, (int fd), fd)
CHANGE(int, ftruncate64, is_open_below(fd), WHOLE, (int fd, off64_t size), fd, size)
CHANGE(int, rename, is_below(to), WHOLE, (const char *from, const char *to), from, to)
CHANGE(int, link, is_below(to), WHOLE, (const char *from, const char *to), from, to)
CHANGE(int, unlink, is_below(path), WHOLE, (const char *path), path)
CHANGE(int, remove, is_below(path), WHOLE, (const char *path), path)
CHANGE(int, rmdir, is_below(path), WHOLE, (const char *path), path)
CHANGE(int, mkdir, is_below(path), WHOLE, (const char *path, mode_t mode), path, mode)

static int opens(const char *path, int flags) {
  const char *as = getenv("FAIL_AS");
  int makes = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
  return is_below(path) && (makes || (as != NULL && atoi(as) == EMFILE));
}

static int open_file(const char *path, int flags, mode_t mode) {
  int due = is_due(opens(path, flags));
  const char *as = getenv("FAIL_AS");
  if (due && as != NULL && atoi(as) != 0) {
    errno = atoi(as);
    return -1;
  }
  int result = NEXT(open64)(path, flags, mode);
  if (due && as == NULL) killed();
  return result;
}
int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_file(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return open_file(path, flags, mode);
}

__attribute__((destructor)) static void say_count(void) {
  const char *file = getenv("KILL_COUNT");
  if (file == NULL) return;
  FILE *out = fopen(file, "w");
  if (out == NULL) return;
  fprintf(out, "%ld", count);
  fclose(out);
}
