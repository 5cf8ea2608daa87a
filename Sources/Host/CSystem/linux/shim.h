// What Glibc's Swift module leaves out. Header only; no _GNU_SOURCE (it breaks fd_set in test builds).
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

int pthread_setname_np(pthread_t thread, const char *name);
int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);
int pipe2(int ends[2], int flags);
int mallopt(int parameter, int value);

// Enumerators in Glibc, whose Swift type depends on what else is imported.
static const int PG_MSG_PEEK = MSG_PEEK;
static const int PG_MSG_NOSIGNAL = MSG_NOSIGNAL;

#define PG_EPOLLIN 0x001u
#define PG_EPOLLOUT 0x004u
#define PG_EPOLLERR 0x008u
#define PG_EPOLLHUP 0x010u
#define PG_EPOLLRDHUP 0x2000u
#define PG_EPOLLEXCLUSIVE (1u << 28)
#define PG_EPOLLET (1u << 31)

static inline int pg_epoll_add(int epoll, int fd, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data = {.u64 = data}};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static inline int pg_epoll_delete(int epoll, int fd) {
  struct epoll_event event = {0};
  return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event);
}

static inline uint64_t pg_epoll_data(const struct epoll_event *events, int index) { return events[index].data.u64; }
static inline uint32_t pg_epoll_events(const struct epoll_event *events, int index) { return events[index].events; }

// From malloc.h.
static const int PG_M_TRIM_THRESHOLD = -1;
static const int PG_M_MMAP_THRESHOLD = -3;

// From fcntl.h, for _GNU_SOURCE only.
static const int PG_F_SETPIPE_SZ = 1031;
static const int PG_F_GETPIPE_SZ = 1032;
static const int PG_O_PATH = 010000000;

/// Moves bytes between a socket and a pipe without copying them (splice(2), MOVE and NONBLOCK).
static inline ssize_t pg_splice(int from, int to, size_t count) {
  return syscall(SYS_splice, from, (void *)0, to, (void *)0, count, 3u);
}

/// Sends three blocks in one call.
static inline ssize_t pg_send_parts(int fd, const void *a, size_t a_count, const void *b, size_t b_count, const void *c,
                                    size_t c_count) {
  struct iovec parts[3] = {{(void *)a, a_count}, {(void *)b, b_count}, {(void *)c, c_count}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static inline int64_t pg_monotonic_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t pg_wall_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/// The number of cores in this process's affinity mask; at least 1. By system call: the wrapper wants _GNU_SOURCE.
static inline int pg_affinity_count(void) {
  unsigned long mask[128] = {0};
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  int count = 0;
  for (long i = 0; i < bytes / (long)sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
  return count > 0 ? count : 1;
}
