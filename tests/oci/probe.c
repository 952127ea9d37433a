// What a container looks like from inside, a line each. Built with `gcc -static`; every line must be the same under two runtimes.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void file(const char *label, const char *path, const char *only) {
  FILE *f = fopen(path, "r");
  char line[4096];
  if (!f) {
    printf("%s %s: %s\n", label, path, strerror(errno));
    return;
  }
  int lines = 0;
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    char key[4096];
    snprintf(key, sizeof key, "%s", line);
    key[strcspn(key, ":")] = 0;
    char wanted[256];
    snprintf(wanted, sizeof wanted, " %s ", key);
    if (!only || strstr(only, wanted)) printf("%s %s: %s\n", label, path, line);
    lines++;
  }
  if (!lines) printf("%s %s: %s\n", label, path, ferror(f) ? strerror(errno) : "empty");
  fclose(f);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static void folder(const char *path, int deep) {
  struct dirent **all;
  int count = scandir(path, &all, NULL, by_name);
  if (count < 0) {
    printf("dir %s: %s\n", path, strerror(errno));
    return;
  }
  for (int i = 0; i < count; i++) {
    char full[4096], to[4096] = "";
    snprintf(full, sizeof full, "%s/%s", path, all[i]->d_name);
    struct stat st;
    if (strcmp(all[i]->d_name, "..") && strcmp(all[i]->d_name, ".") && !lstat(full, &st)) {
      ssize_t n = S_ISLNK(st.st_mode) ? readlink(full, to, sizeof to - 1) : 0;
      if (n > 0) to[n] = 0;
      printf("dir %s %o %u:%u %u:%u %s\n", full, st.st_mode, st.st_uid, st.st_gid, major(st.st_rdev), minor(st.st_rdev), to);
      if (deep && S_ISDIR(st.st_mode)) folder(full, deep - 1);
    }
  }
}

static void opened(const char *path, int flags, const char *how) {
  int fd = open(path, flags | O_NONBLOCK | O_NOCTTY);
  char byte;
  if (fd < 0) {
    printf("open %s %s: %s\n", path, how, strerror(errno));
  } else if ((flags & O_ACCMODE) == O_WRONLY) {
    printf("open %s %s: ok\n", path, how);
  } else {
    struct stat st;
    fstat(fd, &st);
    ssize_t n = S_ISDIR(st.st_mode) ? 0 : read(fd, &byte, 1);
    printf("open %s %s: %s\n", path, how, n < 0 ? strerror(errno) : n ? "content" : "nothing");
  }
  if (fd >= 0) close(fd);
}

#define TRY(call, ...)                                             \
  do {                                                             \
    fflush(stdout);                                                \
    pid_t pid = fork();                                            \
    if (!pid) {                                                    \
      alarm(20);                                                   \
      errno = 0;                                                   \
      long r = syscall(SYS_##call, ##__VA_ARGS__);                 \
      printf("syscall %s: %s\n", #call, r < 0 ? strerror(errno) : "ok"); \
      fflush(stdout);                                              \
      _exit(0);                                                    \
    }                                                              \
    int status;                                                    \
    waitpid(pid, &status, 0);                                      \
    if (WIFSIGNALED(status)) printf("syscall %s: signal %d\n", #call, WTERMSIG(status)); \
  } while (0)

static void syscalls(void) {
  TRY(mount, 0, 0, 0, 0, 0);
  TRY(umount2, "/nowhere", 0);
  TRY(pivot_root, "/nowhere", "/nowhere");
  TRY(chroot, "/nowhere");
  TRY(unshare, CLONE_NEWNS);
  TRY(unshare, CLONE_NEWUSER);
  TRY(setns, -1, 0);
  TRY(sethostname, "x", 1);
  TRY(setdomainname, "x", 1);
  TRY(reboot, 0, 0, 0, 0);
  TRY(swapon, "/nowhere", 0);
  TRY(init_module, 0, 0, 0);
  TRY(delete_module, "nothing", 0);
  TRY(kexec_load, 0, 0, 0, 0);
  TRY(bpf, 0, 0, 0);
  TRY(perf_event_open, 0, 0, -1, -1, 0);
  TRY(keyctl, 99, 0, 0, 0, 0);
  TRY(add_key, 0, 0, 0, 0, 0);
  TRY(request_key, 0, 0, 0, 0);
  TRY(userfaultfd, 0x10000);
  TRY(ptrace, 16, 999999, 0, 0);
  TRY(process_vm_readv, 999999, 0, 0, 0, 0, 0);
  TRY(kcmp, 999999, 999999, 0, 0, 0);
  TRY(personality, 0xffffffff);
  TRY(personality, ADDR_NO_RANDOMIZE);
  TRY(personality, PER_BSD);
  TRY(clone3, 0, 0);
  TRY(clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
  TRY(socket, 40, 1, 0);
  TRY(socket, 17, 3, 0);
  TRY(socket, 16, 3, 0);
  TRY(open_by_handle_at, -1, 0, 0);
  TRY(name_to_handle_at, -1, "", 0, 0, 0);
  TRY(clock_settime, CLOCK_REALTIME, 0);
  TRY(settimeofday, 0, 0);
  TRY(acct, "/nowhere");
  TRY(quotactl, 0, 0, 0, 0);
  TRY(syslog, 10, 0, 0);
  TRY(iopl, 3);
  TRY(ioperm, 0, 1, 1);
  TRY(io_uring_setup, 0, 0);
  TRY(fsopen, "nothing", 0);
  TRY(open_tree, -1, "", 0x1000);
  TRY(mknod, "/tmp/node", S_IFCHR | 0600, makedev(1, 3));
  TRY(chown, "/nowhere", 1, 1);
  TRY(setuid, 12345);
  TRY(setgroups, 0, 0);
  TRY(sched_setattr, 0, 0, 0);
  TRY(setpriority, PRIO_PROCESS, 0, -5);
  TRY(mlock, 0, 4096);
  TRY(vhangup);
  TRY(statx, -1, "", 0, 0, 0);
  TRY(pidfd_open, 999999, 0);
  TRY(faccessat2, -1, "", 0, 0);
  TRY(tgkill, 999999, 999999, 0);
  TRY(seccomp, 99, 0, 0);
  TRY(getcpu, 0, 0, 0);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_DFL);
  static char path[4096];
  for (int i = 0; i < argc; i++) printf("arg %s\n", argv[i]);
  for (char **e = environ; *e; e++) printf("env %s\n", *e);
  printf("cwd %s\n", getcwd(path, sizeof path) ? path : strerror(errno));
  printf("session %d group %d pid %d\n", getsid(0), getpgrp(), getpid());
  printf("tty %d %d %d\n", isatty(0), isatty(1), isatty(2));
  printf("personality %x\n", personality(0xffffffff));
  printf("scheduler %d nice %d ioprio %ld\n", sched_getscheduler(0), getpriority(PRIO_PROCESS, 0), syscall(SYS_ioprio_get, 1, 0));
  file("status", "/proc/self/status",
       " Umask State Uid Gid Groups NoNewPrivs Seccomp Seccomp_filters CapInh CapPrm CapEff CapBnd CapAmb SigBlk SigIgn SigCgt SigPnd "
       "Cpus_allowed_list Mems_allowed_list Speculation_Store_Bypass CoreDumping THP_enabled ");
  file("limits", "/proc/self/limits", NULL);
  file("cgroup", "/proc/self/cgroup", NULL);
  file("mount", "/proc/self/mountinfo", NULL);
  file("uid_map", "/proc/self/uid_map", NULL);
  file("gid_map", "/proc/self/gid_map", NULL);
  file("setgroups", "/proc/self/setgroups", NULL);
  file("oom", "/proc/self/oom_score_adj", NULL);
  file("timens", "/proc/self/timens_offsets", NULL);
  struct utsname name;
  uname(&name);
  printf("uts %s %s %s\n", name.nodename, name.domainname, name.machine);
  const char *namespaces[] = {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};
  for (int i = 0; i < 8; i++) {
    char link[64], to[64] = "";
    snprintf(link, sizeof link, "/proc/self/ns/%s", namespaces[i]);
    ssize_t n = readlink(link, to, sizeof to - 1);
    printf("ns %s\n", n < 0 ? strerror(errno) : to);
  }
  const char *sysctls[] = {"kernel/shmmax", "kernel/msgmax", "kernel/sem", "fs/mqueue/msg_max", "net/ipv4/ip_forward",
                           "net/ipv4/ip_unprivileged_port_start", "kernel/domainname"};
  for (int i = 0; i < 7; i++) {
    snprintf(path, sizeof path, "/proc/sys/%s", sysctls[i]);
    file("sysctl", path, NULL);
  }
  const char *groups[] = {"memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "memory/memory.soft_limit_in_bytes",
                          "memory/memory.swappiness", "memory/memory.oom_control", "memory/memory.kmem.tcp.limit_in_bytes", "cpu/cpu.shares",
                          "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "cpu/cpu.cfs_burst_us", "cpu/cpu.idle", "cpuset/cpuset.cpus",
                          "cpuset/cpuset.mems", "pids/pids.max", "devices/devices.list", "blkio/blkio.bfq.weight",
                          "blkio/blkio.throttle.read_bps_device", "blkio/blkio.throttle.write_bps_device",
                          "blkio/blkio.throttle.read_iops_device", "blkio/blkio.throttle.write_iops_device"};
  for (int i = 0; i < 20; i++) {
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s", groups[i]);
    file("limit", path, NULL);
  }
  // On v2 the group is named by its path, below the whole hierarchy or below itself.
  char own[300] = "";
  FILE *named = fopen("/proc/self/cgroup", "r");
  for (char line[400]; named && fgets(line, sizeof line, named);) {
    if (!strncmp(line, "0::", 3)) {
      line[strcspn(line, "\n")] = 0;
      snprintf(own, sizeof own, "%.290s", line + 3);
    }
  }
  if (named) fclose(named);
  const char *unified[] = {"memory.max", "memory.swap.max", "memory.low", "pids.max", "cpu.weight", "cpu.max", "cpu.max.burst",
                           "cpu.idle", "cpuset.cpus", "cpuset.mems", "io.weight", "io.max", "hugetlb.2MB.max"};
  for (unsigned i = 0; i < sizeof unified / sizeof *unified; i++) {
    snprintf(path, sizeof path, "/sys/fs/cgroup/%s/%s", own, unified[i]);
    file("limit", path, NULL);
  }
  folder("/dev", 1);
  folder("/", 0);
  folder("/data", 1);
  folder("/tmp", 1);
  const char *hidden[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats", "/proc/acpi",
                          "/proc/scsi", "/proc/asound", "/sys/firmware", "/proc/sysrq-trigger", "/proc/sys/kernel/panic", "/proc/irq",
                          "/proc/bus", "/proc/sys/net/ipv4/ip_forward", "/proc/self/oom_score_adj", "/sys/kernel/uevent_seqnum", "/etc/secret", "/data/file", "/proc/self/attr/current"};
  for (unsigned i = 0; i < sizeof hidden / sizeof *hidden; i++) {
    opened(hidden[i], O_RDONLY, "read");
    opened(hidden[i], O_WRONLY, "write");
    struct stat st;
    if (!stat(hidden[i], &st)) printf("mode %s %o\n", hidden[i], st.st_mode & S_IFMT);
  }
  const char *devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/console", "/dev/fuse", "/dev/extra", "/dev/kmsg"};
  for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++) {
    opened(devices[i], O_RDONLY, "read");
    opened(devices[i], O_WRONLY, "write");
  }
  unsigned nodes[][3] = {{S_IFBLK, 254, 0}, {S_IFCHR, 1, 1}, {S_IFCHR, 10, 229}, {S_IFCHR, 1, 11}};
  for (int i = 0; i < 4; i++) {
    snprintf(path, sizeof path, "/tmp/node-%u-%u-%u", nodes[i][0], nodes[i][1], nodes[i][2]);
    if (mknod(path, nodes[i][0] | 0600, makedev(nodes[i][1], nodes[i][2]))) {
      printf("mknod %s: %s\n", path, strerror(errno));
    } else {
      opened(path, O_RDONLY, "read");
    }
    unlink(path);
  }
  printf("write / : %s\n", open("/made", O_CREAT | O_WRONLY, 0644) < 0 ? strerror(errno) : "ok");
  DIR *fds = opendir("/proc/self/fd");
  for (struct dirent *e = fds ? readdir(fds) : NULL; e; e = readdir(fds)) {
    if (*e->d_name == '.' || atoi(e->d_name) == dirfd(fds)) continue;
    char to[4096] = "", link[512];
    snprintf(link, sizeof link, "/proc/self/fd/%s", e->d_name);
    ssize_t n = readlink(link, to, sizeof to - 1);
    if (n > 0 && strcmp(to, "/made")) printf("fd %s %s\n", e->d_name, to);
  }
  syscalls();
  return 0;
}
