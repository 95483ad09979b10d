/* A PKCS#11 module that hands every call on to another one, and fails where a file says so. Each line of the file FAULT_ORDERS is the name of a function and what it does:
 * a number is what it returns, "crash" ends the process, "hang" never returns, "slow" takes that many milliseconds longer, "other" changes the signature, "flags" sets flags
 * of the token, "serial" is slow and does one after the other, "broad" is what a search for every object of a class returns. Each login is a byte in the file FAULT_LOGINS. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long word;
typedef word (*function)();
struct list {
  unsigned char version[2];
  function functions[68];
};

static struct list *real;
static struct list own;

/* Whether the function is to do that; what is behind it. */
static int ordered(const char *name, const char *what, word *value) {
  char line[200], of[64], does[64], with[64];
  const char *path = getenv("FAULT_ORDERS");
  FILE *file = path == NULL ? NULL : fopen(path, "r");
  int found = 0;
  if (file == NULL) return 0;
  while (!found && fgets(line, sizeof line, file) != NULL) {
    with[0] = 0;
    if (sscanf(line, "%63s %63s %63s", of, does, with) < 2 || strcmp(of, name) != 0) continue;
    if (strcmp(does, what) != 0) continue;
    *value = strtoul(with, NULL, 0);
    found = 1;
  }
  fclose(file);
  return found;
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static int fails(const char *name, word *value) {
  word slow;
  if (ordered(name, "crash", value)) raise(SIGSEGV);
  if (ordered(name, "hang", value))
    for (;;) pause();
  if (ordered(name, "slow", &slow)) usleep(slow * 1000);
  if (ordered(name, "serial", &slow)) {
    pthread_mutex_lock(&turn);
    usleep(slow * 1000);
    pthread_mutex_unlock(&turn);
  }
  return ordered(name, "returns", value);
}

#define HANDS_ON(name, position, parameters, arguments)  \
  static word my_##name parameters {                     \
    word value;                                          \
    if (fails(#name, &value)) return value;              \
    return real->functions[position] arguments;          \
  }

HANDS_ON(C_Initialize, 0, (void *args), (args))
HANDS_ON(C_GetSlotList, 4, (unsigned char present, word *slots, word *count), (present, slots, count))
HANDS_ON(C_OpenSession, 12, (word slot, word flags, void *app, void *notify, word *session), (slot, flags, app, notify, session))
HANDS_ON(C_FindObjects, 27, (word session, word *objects, word most, word *count), (session, objects, most, count))
HANDS_ON(C_SignInit, 42, (word session, void *mechanism, word key), (session, mechanism, key))

static word my_C_FindObjectsInit(word session, void *template, word count) {
  word value;
  if (count == 1 && ordered("C_FindObjectsInit", "broad", &value)) return value;
  return real->functions[26](session, template, count);
}

static word my_C_GetTokenInfo(word slot, unsigned char *info) {
  word value, flags;
  if (fails("C_GetTokenInfo", &value)) return value;
  value = real->functions[6](slot, info);
  if (ordered("C_GetTokenInfo", "flags", &flags)) *(word *)(info + 96) |= flags;
  return value;
}

static word my_C_Login(word session, word user, void *pin, word length) {
  word value;
  const char *path = getenv("FAULT_LOGINS");
  int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file >= 0) {
    if (write(file, ".", 1) != 1) abort();
    close(file);
  }
  if (fails("C_Login", &value)) return value;
  return real->functions[18](session, user, pin, length);
}

static word my_C_Sign(word session, void *data, word size, unsigned char *signature, word *length) {
  word value;
  if (fails("C_Sign", &value)) return value;
  value = real->functions[43](session, data, size, signature, length);
  if (value == 0 && ordered("C_Sign", "other", &value)) {
    signature[7] ^= 1;
    return 0;
  }
  if (value == 0 && ordered("C_Sign", "short", &value)) {
    *length -= 1;
    return 0;
  }
  return value;
}

word C_GetFunctionList(struct list **out) {
  void *library = dlopen(getenv("FAULT_MODULE"), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  function get = library == NULL ? NULL : (function)dlsym(library, "C_GetFunctionList");
  if (get == NULL || get(&real) != 0) return 5;
  own = *real;
  own.functions[0] = (function)my_C_Initialize;
  own.functions[4] = (function)my_C_GetSlotList;
  own.functions[6] = (function)my_C_GetTokenInfo;
  own.functions[12] = (function)my_C_OpenSession;
  own.functions[18] = (function)my_C_Login;
  own.functions[26] = (function)my_C_FindObjectsInit;
  own.functions[27] = (function)my_C_FindObjects;
  own.functions[42] = (function)my_C_SignInit;
  own.functions[43] = (function)my_C_Sign;
  *out = &own;
  return 0;
}
