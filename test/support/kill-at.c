/* Preloaded: kills the process right after the KILL_AT-th change below the directory KILL_BELOW, as a kill or the end of a machine
 * would at that moment. With FAIL_AS, an error's number, that change is not made and fails so instead; FAIL_AS=0 writes half
 * of it, and with FAIL_ON=1 all later changes fail, too. With FAIL_AS=24 (EMFILE) files that are opened to be read count, too.
 * Without KILL_AT nothing happens, and the number of all changes is written to the file KILL_COUNT. What SQLite does counts.
 *
 * A process that goes on is told by files what is to happen, while it runs. FAULT_FILE holds "ID FIRST COUNT ERRNO LATE CALL PATH": of the changes by
 * CALL (* is any) whose path begins with PATH ($ at its end: is PATH) since there is a new ID, COUNT from the FIRST on fail with that error; with LATE=1 they are made and reported as failed all the
 * same, with ERRNO=0 the process is killed after the first of them, and with ERRNO=-1 they are only named. COUNT=0 is all from there on. Each that was
 * due is a line "ID NUMBER CALL PATH" in the file FAULT_FILE.hits. CLOCK_FILE holds the milliseconds by which the clock of the wall is
 * wrong. RECORD_TO is a file to which every change goes in the order in which it was made, with its bytes. */
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
#include <stdint.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count;
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_below(const char *path) {
  const char *root = getenv("KILL_BELOW");
  return root != NULL && strncmp(path, root, strlen(root)) == 0 && path[strlen(root)] == '/';
}

/* A path as it is below the directory; of the directory itself a dot. */
static const char *below(const char *path) {
  size_t length = strlen(getenv("KILL_BELOW"));
  return path[length] == '/' ? path + length + 1 : ".";
}

/* What is to become of a change. */
struct fate {
  int is_due, error, is_half, is_late, is_kill;
};
static const struct fate WELL = {0, 0, 0, 0, 0};

/* The text of a small file; its length, or -1 where there is none. */
static ssize_t text_of(const char *path, char *text, size_t size) {
  int fd = path == NULL ? -1 : NEXT(open64)(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t length = read(fd, text, size - 1);
  close(fd);
  text[length < 0 ? 0 : length] = 0;
  return length;
}

static void note_hit(long id, long number, const char *call, const char *path) {
  char file[PATH_MAX], line[PATH_MAX + 64];
  snprintf(file, sizeof file, "%s.hits", getenv("FAULT_FILE"));
  int fd = NEXT(open64)(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  int length = snprintf(line, sizeof line, "%ld %ld %s %s\n", id, number, call, below(path));
  if (NEXT(write)(fd, line, length) < 0) length = 0;
  close(fd);
}

static long seen_id = -1, since_id;

static int begins_with(const char *path, const char *begins) {
  size_t length = strlen(begins);
  if (length > 0 && begins[length - 1] == '$') return strlen(path) == length - 1 && strncmp(path, begins, length - 1) == 0;
  return strncmp(path, begins, length) == 0;
}

/* By FAULT_FILE. Of files that are opened to be read only the lack of descriptors is said. */
static struct fate told(const char *call, const char *path, int reads) {
  char text[512], named[32], begins[256] = "";
  long id, first, span;
  int error, late;
  if (text_of(getenv("FAULT_FILE"), text, sizeof text) <= 0) return WELL;
  if (sscanf(text, "%ld %ld %ld %d %d %31s %255s", &id, &first, &span, &error, &late, named, begins) < 6) return WELL;
  if (reads && error != EMFILE) return WELL;
  if (strcmp(named, "*") != 0 && strcmp(named, call) != 0) return WELL;
  if (!begins_with(below(path), begins)) return WELL;
  pthread_mutex_lock(&lock);
  if (id != seen_id) since_id = 0;
  seen_id = id;
  long number = ++since_id;
  pthread_mutex_unlock(&lock);
  if (number < first || (span != 0 && number >= first + span)) return WELL;
  note_hit(id, number, call, path);
  if (error < 0) return WELL;
  struct fate fate = {1, error, 0, late, error == 0};
  return fate;
}

/* By KILL_AT: whether this is the change that it names, or a later one that fails, too. */
static struct fate fate_of(const char *call, const char *path, int reads) {
  if (getenv("FAULT_FILE") != NULL) return told(call, path, reads);
  const char *at = getenv("KILL_AT"), *as = getenv("FAIL_AS");
  if (reads && (as == NULL || atoi(as) != EMFILE)) return WELL;
  pthread_mutex_lock(&lock);
  long now = ++count;
  pthread_mutex_unlock(&lock);
  if (at == NULL || !(now == atol(at) || (now > atol(at) && getenv("FAIL_ON") != NULL))) return WELL;
  struct fate fate = {1, as == NULL ? 0 : atoi(as), as != NULL && atoi(as) == 0, 0, as == NULL};
  return fate;
}

static struct fate fate_at(const char *call, const char *path) { return is_below(path) ? fate_of(call, path, 0) : WELL; }

/* Where the file that is open as fd lies, if that is below the directory, or is it. */
static const char *place_of(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return NULL;
  path[length] = 0;
  return is_below(path) || strcmp(path, getenv("KILL_BELOW") == NULL ? "" : getenv("KILL_BELOW")) == 0 ? path : NULL;
}

/* The record: a kind, four numbers, and the bytes whose lengths are the last two of them, in the order of the machine. Changes are made one at a time
 * while it is written, so that its order is theirs. */
static pthread_mutex_t recording = PTHREAD_MUTEX_INITIALIZER;

static int record_file(void) {
  static int fd = -2;
  if (fd == -2) {
    const char *path = getenv("RECORD_TO");
    fd = path == NULL ? -1 : NEXT(open64)(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  }
  return fd;
}

static void record(char kind, uint64_t file, uint64_t at, const void *one, uint64_t one_size, const void *other, uint64_t other_size) {
  uint64_t numbers[5] = {(uint64_t)kind, file, at, one_size, other_size};
  struct iovec parts[3] = {{numbers, sizeof numbers}, {(void *)one, one_size}, {(void *)other, other_size}};
  int saved = errno;
  if (NEXT(writev)(record_file(), parts, 3) < 0) abort();
  errno = saved;
}

static void record_name(char kind, const char *path, const char *other) {
  struct stat64 at = {0};
  lstat64(other == NULL ? path : other, &at);
  record(kind, at.st_ino, 0, path, strlen(path), other, other == NULL ? 0 : strlen(other));
}

static void record_bytes(int fd, off64_t at, const void *bytes, ssize_t size) {
  struct stat64 file = {0};
  fstat64(fd, &file);
  record('w', file.st_ino, (uint64_t)at, bytes, (uint64_t)size, NULL, 0);
}

static void record_parts(int fd, off64_t end, const struct iovec *parts, int count, ssize_t size) {
  off64_t at = end - size;
  for (int i = 0; i < count && size > 0; i++) {
    ssize_t part = (ssize_t)parts[i].iov_len < size ? (ssize_t)parts[i].iov_len : size;
    record_bytes(fd, at, parts[i].iov_base, part);
    at += part;
    size -= part;
  }
}

static void record_sync(int fd, const char *path) {
  struct stat64 file = {0};
  fstat64(fd, &file);
  if (S_ISDIR(file.st_mode)) record('d', file.st_ino, 0, path, strlen(path), NULL, 0);
  else record('s', file.st_ino, 0, NULL, 0, NULL, 0);
}

static void record_size(int fd, off64_t size) {
  struct stat64 file = {0};
  fstat64(fd, &file);
  record('t', file.st_ino, (uint64_t)size, NULL, 0, NULL, 0);
}

static void killed(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* A change of what is open as fd: it is below the directory where its place is known. A change that was not made leaves no record. */
#define CHANGE(type, name, half, noted, words, ...)                         \
  type name words {                                                         \
    char place[PATH_MAX];                                                   \
    const char *path = place_of(fd, place);                                 \
    struct fate fate = path == NULL ? WELL : fate_of(#name, path, 0);       \
    if (fate.is_due && fate.error != 0 && !fate.is_late) {                  \
      errno = fate.error;                                                   \
      return -1;                                                            \
    }                                                                       \
    if (fate.is_half) half;                                                 \
    int records = path != NULL && record_file() >= 0;                       \
    if (records) pthread_mutex_lock(&recording);                            \
    type result = NEXT(name)(__VA_ARGS__);                                  \
    if (records && result >= 0) noted;                                      \
    if (records) pthread_mutex_unlock(&recording);                          \
    return ended(fate, result);                                             \
  }
/* A change of names. */
#define NAMING(name, place, noted, words, ...)                              \
  int name words {                                                          \
    struct fate fate = fate_at(#name, place);                               \
    if (fate.is_due && fate.error != 0 && !fate.is_late) {                  \
      errno = fate.error;                                                   \
      return -1;                                                            \
    }                                                                       \
    int records = is_below(place) && record_file() >= 0;                    \
    if (records) pthread_mutex_lock(&recording);                            \
    int result = NEXT(name)(__VA_ARGS__);                                   \
    if (records && result == 0) noted;                                      \
    if (records) pthread_mutex_unlock(&recording);                          \
    return ended(fate, result);                                             \
  }
#define WHOLE (void)0

/* After a change was made. */
static ssize_t ended(struct fate fate, ssize_t result) {
  if (!fate.is_due) return result;
  if (fate.is_kill) killed();
  if (!fate.is_late) return result;
  errno = fate.error;
  return -1;
}

CHANGE(ssize_t, write, size = size > 1 ? size / 2 : size, record_bytes(fd, lseek64(fd, 0, SEEK_CUR) - result, bytes, result), (int fd, const void *bytes, size_t size), fd, bytes, size)
CHANGE(ssize_t, pwrite64, size = size > 1 ? size / 2 : size, record_bytes(fd, at, bytes, result), (int fd, const void *bytes, size_t size, off64_t at), fd, bytes, size, at)
CHANGE(ssize_t, writev, size = size > 1 ? size / 2 : size, record_parts(fd, lseek64(fd, 0, SEEK_CUR), parts, size, result), (int fd, const struct iovec *parts, int size), fd, parts, size)
CHANGE(int, fsync, WHOLE, record_sync(fd, path), (int fd), fd)
CHANGE(int, fdatasync, WHOLE, record_sync(fd, path), (int fd), fd)
CHANGE(int, ftruncate64, WHOLE, record_size(fd, size), (int fd, off64_t size), fd, size)
NAMING(rename, to, record_name('r', from, to), (const char *from, const char *to), from, to)
NAMING(link, to, record_name('l', from, to), (const char *from, const char *to), from, to)
NAMING(unlink, path, record_name('u', path, NULL), (const char *path), path)
NAMING(remove, path, record_name('u', path, NULL), (const char *path), path)
NAMING(rmdir, path, record_name('u', path, NULL), (const char *path), path)
NAMING(mkdir, path, record_name('m', path, NULL), (const char *path, mode_t mode), path, mode)

static int open_file(const char *path, int flags, mode_t mode) {
  int below = is_below(path);
  int makes = below && (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
  struct fate fate = below ? fate_of("open", path, !makes) : WELL;
  if (fate.is_due && fate.error != 0 && !fate.is_late) {
    errno = fate.error;
    return -1;
  }
  int records = below && (makes || (flags & O_TRUNC) != 0) && record_file() >= 0;
  if (records) pthread_mutex_lock(&recording);
  int result = NEXT(open64)(path, flags, mode);
  if (records && result >= 0 && makes) record_name('c', path, NULL);
  else if (records && result >= 0) record_size(result, 0);
  if (records) pthread_mutex_unlock(&recording);
  if (fate.is_late && result >= 0) close(result);
  return (int)ended(fate, result);
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

/* Milliseconds by which the clock of the wall is wrong. */
static long wrong_by(void) {
  char text[32];
  return text_of(getenv("CLOCK_FILE"), text, sizeof text) <= 0 ? 0 : atol(text);
}
int clock_gettime(clockid_t which, struct timespec *time) {
  int result = NEXT(clock_gettime)(which, time);
  if (result != 0 || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE) || getenv("CLOCK_FILE") == NULL) return result;
  int64_t now = time->tv_sec * 1000000000LL + time->tv_nsec + wrong_by() * 1000000LL;
  time->tv_sec = now / 1000000000LL;
  time->tv_nsec = now % 1000000000LL;
  return result;
}
int gettimeofday(struct timeval *time, void *zone) {
  int result = NEXT(gettimeofday)(time, zone);
  if (result != 0 || getenv("CLOCK_FILE") == NULL) return result;
  int64_t now = time->tv_sec * 1000000LL + time->tv_usec + wrong_by() * 1000LL;
  time->tv_sec = now / 1000000LL;
  time->tv_usec = now % 1000000LL;
  return result;
}

__attribute__((destructor)) static void say_count(void) {
  const char *file = getenv("KILL_COUNT");
  if (file == NULL) return;
  FILE *out = fopen(file, "w");
  if (out == NULL) return;
  fprintf(out, "%ld", count);
  fclose(out);
}
