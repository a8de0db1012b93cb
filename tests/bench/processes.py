"""What processes use: CPU, memory, and how much of the machine somebody else had meanwhile."""
import os, re, resource, socket, threading

TICK = os.sysconf("SC_CLK_TCK")


def fields(pid):
    return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()


def tree(root):
    """The process and all that descend from it."""
    kids = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                kids.setdefault(int(fields(name)[1]), []).append(int(name))
            except OSError:
                continue
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += kids.get(pid, [])
    return found


def cpu(root):
    """Seconds of CPU of a process tree, with what its ended members had used."""
    total = 0
    for pid in tree(root):
        try:
            total += sum(map(int, fields(pid)[11:15]))
        except OSError:
            pass
    return total / TICK


def rss(root):
    """MiB of a process tree; pages that several share are counted once."""
    total = 0
    for pid in tree(root):
        try:
            text = open(f"/proc/{pid}/smaps_rollup").read()
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
        except (OSError, AttributeError):
            pass
    return total / 1024


def busy():
    """Seconds in which a core of this machine ran a process, whosever, since it started."""
    user, nice, system = map(int, open("/proc/stat").readline().split()[1:4])
    return (user + nice + system) / TICK


def loaders():
    """Seconds of CPU of this script and of the load clients it ran and awaited."""
    mine, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def listener(port):
    """Who listens on a port: the oldest process that has the socket."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{table}").readlines()[1:]:
            part = line.split()
            if part[3] == "0A" and int(part[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{part[9]}]")
    owners = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            files = os.listdir(f"/proc/{name}/fd")
            if any(os.readlink(f"/proc/{name}/fd/{file}") in inodes for file in files):
                owners.append(int(name))
        except OSError:
            continue
    return min(owners, default=None)


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


class Peak(threading.Thread):
    """The most memory a process tree has while this runs."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.most, self.over = root, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.25):
            self.most = max(self.most, rss(self.root))

    def end(self):
        self.over.set()
        self.join()
        return max(self.most, rss(self.root))
