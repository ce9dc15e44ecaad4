/* A disk that can lose power, fill up, fail and be slow, under the files of one process: preloaded before the C library.
 *
 * Files below a watched folder are tracked. Every change keeps what was there before it, until the file is synced; a power cut
 * puts that back, whole or for a part of the 512-byte sectors. New, renamed and removed names come back unless the folder was
 * synced (a new file's name also when the file itself was). Every change and every sync is a step; at the n-th one a fault
 * can happen. What ends in -shm is memory that happens to have a name: its steps count, its content is not put back.
 *
 * Not modelled: writes through mappings, sendfile and copy_file_range, links, and descriptors that are duplicated.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FOLDERS 64
#define DESCRIPTORS 65536
#define SECTOR 512

enum { ANY = 0, CHANGES = 1, SYNCS = 2 };
enum { NOTHING = 0, FAIL = 1, SHORT = 2, KILL = 3, CUT = 4, FREEZE = 5, SLOW = 6 };

struct undo { struct undo *before; off_t at, old_size; size_t size; char *old; };
struct file {
  struct file *next; struct folder *folder; dev_t dev; ino_t ino; char path[PATH_MAX]; struct undo *undo;
  int is_memory, is_new, reader; /* reader: closing any descriptor of a file drops the process's locks on it, so this one stays */
};
enum { RENAMED = 1, REMOVED = 2 };
struct name { struct name *before; int what; char from[PATH_MAX], to[PATH_MAX], kept[PATH_MAX]; };
struct folder {
  char path[PATH_MAX]; size_t length; int is_used, is_frozen;
  long steps, at; int what, act, error, is_lasting, keep_percent; uint64_t seed; long slow_ms, done;
  struct name *names; struct file *files; long n_kept;
};

static struct folder folders[FOLDERS];
static struct file *by_fd[DESCRIPTORS];
static struct folder *folder_fd[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

#define REAL(type, name, ...) static type (*real_##name)(__VA_ARGS__)
REAL(int, open64, const char *, int, ...);
REAL(int, openat64, int, const char *, int, ...);
REAL(int, close, int);
REAL(ssize_t, write, int, const void *, size_t);
REAL(ssize_t, pwrite64, int, const void *, size_t, off_t);
REAL(ssize_t, writev, int, const struct iovec *, int);
REAL(int, ftruncate64, int, off_t);
REAL(int, fsync, int);
REAL(int, fdatasync, int);
REAL(int, sync_file_range, int, off64_t, off64_t, unsigned);
REAL(int, rename, const char *, const char *);
REAL(int, renameat, int, const char *, int, const char *);
REAL(int, unlink, const char *);
REAL(int, unlinkat, int, const char *, int);
REAL(int, fallocate64, int, int, off_t, off_t);
REAL(int, posix_fallocate64, int, off_t, off_t);

static void find(void) {
  static int is_found;
  if (is_found) return;
#define FIND(name) *(void **)&real_##name = dlsym(RTLD_NEXT, #name)
  FIND(open64); FIND(openat64); FIND(close); FIND(write); FIND(pwrite64); FIND(writev); FIND(ftruncate64); FIND(fsync);
  FIND(fdatasync); FIND(sync_file_range); FIND(rename); FIND(renameat); FIND(unlink); FIND(unlinkat); FIND(fallocate64);
  FIND(posix_fallocate64);
  is_found = 1;
}

/* Where is this? */

static int absolute(int at, const char *path, char *out) {
  char base[PATH_MAX];
  if (path[0] == '/') return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
  if (at == AT_FDCWD) {
    if (!getcwd(base, sizeof base)) return 0;
  } else {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t size = readlink(link, base, sizeof base - 1);
    if (size <= 0) return 0;
    base[size] = 0;
  }
  return snprintf(out, PATH_MAX, "%s/%s", base, path) < PATH_MAX;
}

static struct folder *folder_of(const char *path) {
  for (int i = 0; i < FOLDERS; i++)
    if (folders[i].is_used && !strncmp(path, folders[i].path, folders[i].length) &&
        (path[folders[i].length] == '/' || !path[folders[i].length]))
      return &folders[i];
  return NULL;
}

static int ends_with(const char *text, const char *end) {
  size_t a = strlen(text), b = strlen(end);
  return a >= b && !strcmp(text + a - b, end);
}

/* What was there before */

static void forget_undo(struct file *file) {
  while (file->undo) {
    struct undo *one = file->undo;
    file->undo = one->before;
    free(one->old);
    free(one);
  }
}

static void keep_before(struct file *file, int fd, off_t at, size_t size, int is_truncation) {
  struct stat now;
  if (file->is_memory || fstat(fd, &now)) return;
  struct undo *one = calloc(1, sizeof *one);
  one->old_size = now.st_size;
  one->at = at;
  if (is_truncation) size = at < now.st_size ? (size_t)(now.st_size - at) : 0;
  one->size = at >= now.st_size ? 0 : ((off_t)size > now.st_size - at ? (size_t)(now.st_size - at) : size);
  if (one->size) {
    one->old = malloc(one->size);
    ssize_t got = pread(file->reader, one->old, one->size, at);
    if (got < 0) got = 0;
    one->size = (size_t)got;
  }
  one->before = file->undo;
  file->undo = one;
}

static struct file *file_of(struct folder *folder, int fd, const char *path, int is_new) {
  struct stat now;
  if (fstat(fd, &now) || !S_ISREG(now.st_mode)) return NULL;
  for (struct file *one = folder->files; one; one = one->next)
    if (one->dev == now.st_dev && one->ino == now.st_ino) {
      if (is_new) { forget_undo(one); snprintf(one->path, PATH_MAX, "%s", path); one->is_new = 1; }
      return one;
    }
  struct file *made = calloc(1, sizeof *made);
  made->folder = folder;
  made->dev = now.st_dev;
  made->ino = now.st_ino;
  made->is_new = is_new;
  made->is_memory = ends_with(path, "-shm");
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  made->reader = real_open64(link, O_RDONLY | O_CLOEXEC);
  snprintf(made->path, PATH_MAX, "%s", path);
  made->next = folder->files;
  folder->files = made;
  return made;
}

static void names_are_durable(struct folder *folder) {
  while (folder->names) {
    struct name *one = folder->names;
    folder->names = one->before;
    if (one->kept[0]) real_unlink(one->kept);
    free(one);
  }
  for (struct file *file = folder->files; file; file = file->next) file->is_new = 0;
}

static uint64_t drawn(uint64_t *state) { /* splitmix64 */
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static void put_back(struct file *file, uint64_t *state, int keep_percent) {
  struct stat now;
  if (!file->undo) return;
  int fd = real_open64(file->path, O_RDWR | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &now) || now.st_ino != file->ino) { if (fd >= 0) real_close(fd); forget_undo(file); return; }
  size_t largest = (size_t)now.st_size, synced = (size_t)now.st_size;
  for (struct undo *one = file->undo; one; one = one->before)
    if ((size_t)one->old_size > largest) largest = (size_t)one->old_size;
  largest = (largest + SECTOR - 1) / SECTOR * SECTOR;
  char *after = calloc(1, largest + 1), *before = calloc(1, largest + 1);
  if (pread(fd, after, (size_t)now.st_size, 0) < 0) memset(after, 0, largest);
  memcpy(before, after, largest);
  for (struct undo *one = file->undo; one; one = one->before) {
    if ((size_t)one->old_size > synced) memset(before + synced, 0, (size_t)one->old_size - synced);
    if (one->size) memcpy(before + one->at, one->old, one->size);
    if ((size_t)one->old_size < largest) memset(before + one->old_size, 0, largest - (size_t)one->old_size);
    synced = (size_t)one->old_size;
  }
  size_t end = synced;
  for (size_t at = 0; at < largest && keep_percent; at += SECTOR)
    if (memcmp(before + at, after + at, SECTOR) && (int)(drawn(state) % 100) < keep_percent) {
      memcpy(before + at, after + at, SECTOR);
      size_t until = at + SECTOR < (size_t)now.st_size ? at + SECTOR : (size_t)now.st_size;
      if (until > end) end = until;
    }
  if (real_ftruncate64(fd, 0) || real_pwrite64(fd, before, end, 0) != (ssize_t)end || real_ftruncate64(fd, (off_t)end))
    fprintf(stderr, "power: %s could not be put back\n", file->path);
  free(after);
  free(before);
  real_close(fd);
  forget_undo(file);
}

static void cut(struct folder *folder, uint64_t seed, int keep_percent) {
  uint64_t state = seed;
  for (struct file *file = folder->files; file; file = file->next)
    if (!file->is_memory) put_back(file, &state, keep_percent);
  while (folder->names) {
    struct name *one = folder->names;
    folder->names = one->before;
    if (one->what == RENAMED) {
      real_rename(one->to, one->from);
      if (one->kept[0]) real_rename(one->kept, one->to);
    } else if (one->kept[0]) real_rename(one->kept, one->from);
    free(one);
  }
  for (struct file *file = folder->files; file; file = file->next) {
    struct stat now;
    if (file->is_new && !file->is_memory && !stat(file->path, &now) && now.st_ino == file->ino) real_unlink(file->path);
    file->is_new = 0;
  }
}

/* A step, and what can happen at it */

static int step(struct folder *folder, int is_sync) { /* 0 go on, SHORT write less, -1 with errno fail */
  if (folder->is_frozen) { errno = EIO; return -1; }
  if (folder->what == CHANGES && is_sync) return 0;
  if (folder->what == SYNCS && !is_sync) return 0;
  folder->steps++;
  if (folder->act == NOTHING || !folder->at) return 0;
  if (folder->is_lasting ? folder->steps < folder->at : folder->steps != folder->at) return 0;
  folder->done++;
  switch (folder->act) {
    case FAIL: errno = folder->error; return -1;
    case SHORT: return SHORT;
    case CUT: cut(folder, folder->seed, folder->keep_percent); /* fall through */
    case KILL: kill(getpid(), SIGKILL); pause(); return 0;
    case FREEZE: folder->is_frozen = 1; errno = EIO; return -1;
    case SLOW: pthread_mutex_unlock(&lock); usleep((useconds_t)folder->slow_ms * 1000); pthread_mutex_lock(&lock); return 0;
  }
  return 0;
}

static int opened(int fd, const char *path, struct folder *folder, int is_new) {
  if (fd < 0 || fd >= DESCRIPTORS) return fd;
  struct stat now;
  by_fd[fd] = NULL;
  folder_fd[fd] = NULL;
  if (!folder) return fd;
  if (!fstat(fd, &now) && S_ISDIR(now.st_mode)) folder_fd[fd] = folder;
  else by_fd[fd] = file_of(folder, fd, path, is_new);
  return fd;
}

static int any_open(int at, const char *path, int flags, mode_t mode) {
  char full[PATH_MAX];
  find();
  int writes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
  if ((flags & O_TMPFILE) == O_TMPFILE || !absolute(at, path, full)) return real_openat64(at, path, flags, mode);
  pthread_mutex_lock(&lock);
  struct folder *folder = folder_of(full);
  if (!folder) {
    pthread_mutex_unlock(&lock);
    int fd = real_openat64(at, path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS) { by_fd[fd] = NULL; folder_fd[fd] = NULL; }
    return fd;
  }
  struct stat was;
  int is_there = !stat(full, &was);
  if (writes && ((!is_there && flags & O_CREAT) || (is_there && flags & O_TRUNC && was.st_size))) {
    if (step(folder, 0) < 0) { int error = errno; pthread_mutex_unlock(&lock); errno = error; return -1; }
    if (is_there) { /* what is cut off is kept first */
      int before = real_openat64(AT_FDCWD, full, O_RDWR | O_CLOEXEC);
      if (before >= 0) {
        struct file *file = file_of(folder, before, full, 0);
        if (file) keep_before(file, before, 0, 0, 1);
        real_close(before);
      }
    }
  } else if (writes && folder->is_frozen) { pthread_mutex_unlock(&lock); errno = EIO; return -1; }
  int fd = real_openat64(at, path, flags, mode);
  int error = errno;
  opened(fd, full, folder, !is_there);
  pthread_mutex_unlock(&lock);
  errno = error;
  return fd;
}

#define MODE(last) mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, last); mode = va_arg(list, mode_t); va_end(list); }
int open(const char *path, int flags, ...) { MODE(flags) return any_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return any_open(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags) return any_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags) return any_open(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return any_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return any_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
  find();
  if (fd >= 0 && fd < DESCRIPTORS && (by_fd[fd] || folder_fd[fd])) {
    pthread_mutex_lock(&lock);
    by_fd[fd] = NULL;
    folder_fd[fd] = NULL;
    pthread_mutex_unlock(&lock);
  }
  return real_close(fd);
}

static struct file *tracked(int fd) { find(); return fd >= 0 && fd < DESCRIPTORS ? by_fd[fd] : NULL; }

static ssize_t any_write(int fd, const void *data, size_t size, off_t at, int is_placed) {
  struct file *file = tracked(fd);
  if (!file) return is_placed ? real_pwrite64(fd, data, size, at) : real_write(fd, data, size);
  pthread_mutex_lock(&lock);
  int what = step(file->folder, 0);
  ssize_t done = -1;
  if (what >= 0) {
    if (what == SHORT && size > 1) size /= 2;
    off_t place = is_placed ? at : (fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR));
    keep_before(file, fd, place, size, 0);
    done = is_placed ? real_pwrite64(fd, data, size, at) : real_write(fd, data, size);
  }
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

ssize_t write(int fd, const void *data, size_t size) { return any_write(fd, data, size, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return any_write(fd, data, size, at, 1); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t at) { return any_write(fd, data, size, at, 1); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (!tracked(fd)) return real_writev(fd, parts, count);
  ssize_t done = 0;
  for (int i = 0; i < count; i++) {
    ssize_t one = any_write(fd, parts[i].iov_base, parts[i].iov_len, 0, 0);
    if (one < 0) return done ? done : -1;
    done += one;
    if ((size_t)one < parts[i].iov_len) break;
  }
  return done;
}

static int any_size(int fd, off_t size, off_t from, int how) {
  struct file *file = tracked(fd);
  if (file) {
    pthread_mutex_lock(&lock);
    int what = step(file->folder, 0);
    if (what < 0) { int error = errno; pthread_mutex_unlock(&lock); errno = error; return -1; }
    keep_before(file, fd, size, 0, 1);
  }
  int done = how == 0 ? real_ftruncate64(fd, size) : how == 1 ? real_fallocate64(fd, 0, from, size) : 0;
  int error = errno;
  if (how == 2) { error = real_posix_fallocate64(fd, from, size); done = error ? -1 : 0; }
  if (file) pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

int ftruncate(int fd, off_t size) { return any_size(fd, size, 0, 0); }
int ftruncate64(int fd, off_t size) { return any_size(fd, size, 0, 0); }
int fallocate(int fd, int mode, off_t at, off_t size) { find(); return mode ? real_fallocate64(fd, mode, at, size) : any_size(fd, size, at, 1); }
int fallocate64(int fd, int mode, off_t at, off_t size) { return fallocate(fd, mode, at, size); }
int posix_fallocate(int fd, off_t at, off_t size) { return any_size(fd, size, at, 2) ? errno : 0; }
int posix_fallocate64(int fd, off_t at, off_t size) { return any_size(fd, size, at, 2) ? errno : 0; }

static int any_sync(int fd, int how) {
  struct file *file = tracked(fd);
  struct folder *folder = file ? file->folder : fd >= 0 && fd < DESCRIPTORS ? folder_fd[fd] : NULL;
  if (folder) {
    pthread_mutex_lock(&lock);
    if (step(folder, 1) < 0) { int error = errno; pthread_mutex_unlock(&lock); errno = error; return -1; }
    if (file) { forget_undo(file); file->is_new = 0; } else names_are_durable(folder);
    pthread_mutex_unlock(&lock);
    return 0; /* what counts is what we put back; the machine itself keeps its power */
  }
  return how ? real_fdatasync(fd) : real_fsync(fd);
}

int fsync(int fd) { return any_sync(fd, 0); }
int fdatasync(int fd) { return any_sync(fd, 1); }
int sync_file_range(int fd, off64_t at, off64_t size, unsigned flags) { find(); return real_sync_file_range(fd, at, size, flags); } /* promises nothing */

static void keep_name(struct folder *folder, const char *path, char *kept) {
  kept[0] = 0;
  int size = snprintf(kept, PATH_MAX, "%s.kept-%ld", folder->path, ++folder->n_kept);
  if (size >= PATH_MAX || link(path, kept)) kept[0] = 0;
  for (struct file *file = folder->files; file; file = file->next)
    if (!strcmp(file->path, path) && kept[0]) snprintf(file->path, PATH_MAX, "%s", kept);
}

static int any_rename(int from_at, const char *from, int to_at, const char *to) {
  char a[PATH_MAX], b[PATH_MAX];
  find();
  if (!absolute(from_at, from, a) || !absolute(to_at, to, b)) return real_renameat(from_at, from, to_at, to);
  pthread_mutex_lock(&lock);
  struct folder *folder = folder_of(a);
  if (!folder) folder = folder_of(b);
  struct name *one = NULL;
  int done = -1, error = 0;
  if (folder) {
    if (step(folder, 0) < 0) { error = errno; goto out; }
    one = calloc(1, sizeof *one);
    one->what = RENAMED;
    snprintf(one->from, PATH_MAX, "%s", a);
    snprintf(one->to, PATH_MAX, "%s", b);
    if (!access(b, F_OK)) keep_name(folder, b, one->kept);
  }
  done = real_renameat(from_at, from, to_at, to);
  error = errno;
  if (one && done) { if (one->kept[0]) real_unlink(one->kept); free(one); }
  else if (one) {
    one->before = folder->names;
    folder->names = one;
    for (struct file *file = folder->files; file; file = file->next)
      if (!strcmp(file->path, a)) snprintf(file->path, PATH_MAX, "%s", b);
  }
out:
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

int rename(const char *from, const char *to) { return any_rename(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return any_rename(from_at, from, to_at, to); }

static int any_unlink(int at, const char *path, int flags) {
  char full[PATH_MAX];
  find();
  if (flags || !absolute(at, path, full)) return real_unlinkat(at, path, flags);
  pthread_mutex_lock(&lock);
  struct folder *folder = folder_of(full);
  struct name *one = NULL;
  int done = -1, error = 0;
  if (folder && !access(full, F_OK)) {
    if (step(folder, 0) < 0) { error = errno; goto out; }
    one = calloc(1, sizeof *one);
    one->what = REMOVED;
    snprintf(one->from, PATH_MAX, "%s", full);
    keep_name(folder, full, one->kept);
  }
  done = real_unlinkat(at, path, 0);
  error = errno;
  if (one && !done) { one->before = folder->names; folder->names = one; }
  else if (one) free(one);
out:
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

int unlink(const char *path) { return any_unlink(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return any_unlink(at, path, flags); }

/* Control */

int tapthread_watch(const char *path) {
  find();
  pthread_mutex_lock(&lock);
  int made = -1;
  for (int i = 0; i < FOLDERS && made < 0; i++)
    if (!folders[i].is_used) {
      memset(&folders[i], 0, sizeof folders[i]);
      snprintf(folders[i].path, PATH_MAX, "%s", path);
      folders[i].length = strlen(path);
      folders[i].is_used = 1;
      made = i;
    }
  pthread_mutex_unlock(&lock);
  return made;
}

void tapthread_forget(int n) {
  pthread_mutex_lock(&lock);
  struct folder *folder = &folders[n];
  names_are_durable(folder);
  for (int fd = 0; fd < DESCRIPTORS; fd++) {
    if (by_fd[fd] && by_fd[fd]->folder == folder) by_fd[fd] = NULL;
    if (folder_fd[fd] == folder) folder_fd[fd] = NULL;
  }
  while (folder->files) {
    struct file *one = folder->files;
    folder->files = one->next;
    forget_undo(one);
    if (one->reader >= 0) real_close(one->reader);
    free(one);
  }
  folder->is_used = 0;
  pthread_mutex_unlock(&lock);
}

void tapthread_plan(int n, int what, long at, int act, int error, int is_lasting, long slow_ms, uint64_t seed, int keep_percent) {
  pthread_mutex_lock(&lock);
  struct folder *folder = &folders[n];
  folder->what = what; folder->at = at; folder->act = act; folder->error = error; folder->is_lasting = is_lasting;
  folder->slow_ms = slow_ms; folder->seed = seed; folder->keep_percent = keep_percent; folder->steps = 0; folder->done = 0;
  pthread_mutex_unlock(&lock);
}

long tapthread_steps(int n) { return folders[n].steps; }
long tapthread_done(int n) { return folders[n].done; }
int tapthread_is_frozen(int n) { return folders[n].is_frozen; }
void tapthread_freeze(int n, int is_frozen) { folders[n].is_frozen = is_frozen; }
void tapthread_cut(int n, uint64_t seed, int keep_percent) {
  pthread_mutex_lock(&lock);
  cut(&folders[n], seed, keep_percent);
  pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void begin(void) { /* TAPTHREAD_POWER="what at act error lasting slow_ms seed keep FOLDER" */
  const char *said = getenv("TAPTHREAD_POWER");
  int what, act, error, lasting, keep, used = 0;
  long at, slow;
  unsigned long long seed;
  find();
  if (!said || sscanf(said, "%d %ld %d %d %d %ld %llu %d %n", &what, &at, &act, &error, &lasting, &slow, &seed, &keep, &used) < 8 || !used) return;
  int n = tapthread_watch(said + used);
  if (n >= 0) tapthread_plan(n, what, at, act, error, lasting, slow, seed, keep);
}
