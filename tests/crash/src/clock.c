// The clock of one process, off by CLOCK_OFF_S seconds: preloaded into a replica.
//
// libfaketime would do, but for C11's cnd_timedwait, which it doesn't know and librdkafka waits
// with: a deadline by the wrong clock, waited for by the right one. The monotonic clock is left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>

static time_t off;

__attribute__((constructor)) static void start(void) {
  const char *text = getenv("CLOCK_OFF_S");
  off = text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += off;
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
  int failed = real(now, zone);
  if (!failed) now->tv_sec += off;
  return failed;
}

time_t time(time_t *now) {
  struct timespec wrong;
  clock_gettime(CLOCK_REALTIME, &wrong);
  if (now) *now = wrong.tv_sec;
  return wrong.tv_sec;
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *deadline) {
  int (*real)(cnd_t *, mtx_t *, const struct timespec *) = dlsym(RTLD_NEXT, "cnd_timedwait");
  struct timespec right = *deadline;
  right.tv_sec -= off;
  return real(condition, mutex, &right);
}
