/*
 * cpus.c - how many CPUs this process may use: its affinity mask, cut by the quotas of its control groups.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "platform.h"

#define PATH_SIZE 768

/* Read the beginning of a small file; an empty text if it cannot be read. */
static void read_system_text(char *text, size_t size, const char *path)
{
    text[0] = '\0';
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0) return;
    ssize_t length = read(file, text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    close(file);
}

static int in_mask(void)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) return CPU_COUNT(&mask);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}

/* What is begun of a CPU is one. */
static int whole_cpus(long long quota, long long period, int most)
{
    if (quota <= 0 || period <= 0 || quota / period >= most) return most;
    return (int)(quota / period + (quota % period > 0));
}

int dualprop__cpus_of_quota(const char *text, int most)
{
    long long quota = 0, period = 0;
    return sscanf(text, "%lld %lld", &quota, &period) == 2 ? whole_cpus(quota, period, most) : most;
}

/* Version 2: cpu.max holds "QUOTA PERIOD" or "max PERIOD". */
static int quota_v2(const char *folder, int most)
{
    char path[PATH_SIZE], text[64];
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    read_system_text(text, sizeof text, path);
    return dualprop__cpus_of_quota(text, most);
}

/* Version 1: two files, and a quota of -1 for none. */
static int quota_v1(const char *folder, int most)
{
    char path[PATH_SIZE], quota[64], period[64];
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    read_system_text(quota, sizeof quota, path);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    read_system_text(period, sizeof period, path);
    return whole_cpus(atoll(quota), atoll(period), most);
}

/* The tightest quota from a group's folder up to the root of its hierarchy. */
static int tightest(const char *root, const char *group, int (*quota)(const char *folder, int most), int most)
{
    char folder[PATH_SIZE - 32];
    if (snprintf(folder, sizeof folder, "%s%s", root, group) >= (int)sizeof folder) return most;
    for (;;) {
        most = quota(folder, most);
        char *slash = strrchr(folder, '/');
        if (!slash || (size_t)(slash - folder) < strlen(root)) return most;
        *slash = '\0';
    }
}

/* One line of /proc/self/cgroup: "0::/group" in version 2, "4:cpu,cpuacct:/group" in version 1. */
static int under_line(char *line, int most)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return most;
    *group++ = '\0';
    if (strncmp(line, "0::", 2) == 0 && controllers[1] == '\0')
        return tightest("/sys/fs/cgroup", group, quota_v2, most);
    if (strcmp(controllers + 1, "cpu") == 0 || strncmp(controllers + 1, "cpu,", 4) == 0 ||
        strstr(controllers + 1, ",cpu,"))
        return tightest("/sys/fs/cgroup/cpu", group, quota_v1, most);
    return most;
}

int dualprop__allowed_cpus(void)
{
    char groups[2048], *rest = NULL;
    int cpus = in_mask();
    read_system_text(groups, sizeof groups, "/proc/self/cgroup");
    for (char *line = strtok_r(groups, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        cpus = under_line(line, cpus);
    return cpus > 0 ? cpus : 1;
}
