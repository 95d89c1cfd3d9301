"""Kernel interfaces and setuid programs."""

import ctypes
import os
import stat
from typing import Iterator, List

from provider_daemon.site_audit.remote.report import (
    ABSENT,
    REACHED,
    REFUSED,
    SKIPPED,
    Attempt,
    can_be_read,
    can_be_written,
    of_error,
    opened,
    together,
)

PROGRAMS = (
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/lib/openssh",
    "/usr/lib/dbus-1.0",
    "/usr/lib/polkit-1",
)
PROC_READ = ("/proc/kcore", "/proc/kmem")
PROC_WRITE = (
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/overcommit_memory",
)
SYS_READ = ("/sys/kernel/debug", "/sys/kernel/tracing")
SYS_WRITE = ("/sys/power/state", "/sys/kernel/uevent_helper", "/sys/fs/cgroup", "/sys/fs/cgroup/cgroup.procs")
BPF = {"x86_64": 321, "aarch64": 280, "ppc64le": 361, "s390x": 351, "riscv64": 280}
NEW_USER, GET_NO_NEW_PRIVS, READ_ALL = 0x10000000, 39, 3

libc = ctypes.CDLL(None, use_errno=True)


def _called(result: int) -> OSError:
    return OSError(ctypes.get_errno(), "")


def setuid_programs() -> Attempt:
    if libc.prctl(GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1:
        return REFUSED, "no_new_privs is set: setuid has no effect"
    found = list(_setuid())
    if found:
        return REACHED, "%d setuid programs, such as %s" % (len(found), ", ".join(found[:3]))
    return ABSENT, "no setuid program was found"


def _setuid() -> Iterator[str]:
    for folder in PROGRAMS:
        if os.path.islink(folder):
            continue
        try:
            if os.statvfs(folder).f_flag & os.ST_NOSUID:
                continue
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError:
                continue
            if stat.S_ISREG(mode) and mode & stat.S_ISUID and mode & 0o111:
                yield entry.path


def proc() -> Attempt:
    attempts: List[Attempt] = [can_be_read(path) for path in PROC_READ]
    attempts += [opened(path, os.O_WRONLY, "can write") for path in PROC_WRITE]
    return together([*attempts, _addresses()], "/proc shows none of them")


def _addresses() -> Attempt:
    """Whether the kernel shows where its functions are."""
    try:
        with open("/proc/kallsyms") as table:
            shown = [line.split()[0].strip("0") for line in table.read(4096).splitlines()[:8]]
    except OSError as error:
        return of_error(error, "/proc/kallsyms")
    return (REACHED, "kernel addresses in /proc/kallsyms") if any(shown) else (REFUSED, "no kernel addresses")


def sys() -> Attempt:
    attempts = [_full(path) for path in SYS_READ]
    attempts += [can_be_written(path) for path in SYS_WRITE if os.path.lexists(path)]
    return together(attempts, "/sys shows none of them")


def _full(path: str) -> Attempt:
    """The directory exists everywhere; its content only where the file system is mounted."""
    try:
        names = os.listdir(path)
    except OSError as error:
        return of_error(error, path)
    return (REACHED, "can read %s" % path) if names else (ABSENT, "")


def dmesg() -> Attempt:
    text = ctypes.create_string_buffer(4096)
    if libc.klogctl(READ_ALL, text, len(text)) >= 0:
        return REACHED, "the kernel's log can be read"
    denied = of_error(_called(-1), "syslog")
    return together([denied, can_be_read("/dev/kmsg")], "no kernel log")


def bpf() -> Attempt:
    number = BPF.get(os.uname().machine)
    if number is None:
        return SKIPPED, "the number of bpf(2) on %s is not known" % os.uname().machine
    array_of_one = (ctypes.c_uint32 * 18)(2, 4, 4, 1)
    handle = libc.syscall(number, 0, ctypes.byref(array_of_one), ctypes.sizeof(array_of_one))
    if handle < 0:
        return of_error(_called(handle), "bpf")
    os.close(handle)
    return REACHED, "a BPF map was created"


def user_namespace() -> Attempt:
    """Tried in a child, which then ends."""
    child = os.fork()
    if child == 0:
        code = 255
        try:
            code = 0 if libc.unshare(NEW_USER) == 0 else min(ctypes.get_errno(), 254)
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 255:
        return SKIPPED, "the attempt ended with status %d" % status
    code = os.WEXITSTATUS(status)
    return (REACHED, "a user namespace was created") if code == 0 else of_error(OSError(code, ""), "unshare")
