"""A SLURM of one host, without systemd: munged, slurmctld and one slurmd for each of two nodes, all on loopback, all below one folder."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
SBIN = os.pathsep.join(("/usr/sbin", "/usr/local/sbin"))
CONF = """
ClusterName=voxelrock
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/socket/munge
CredType=cred/munge
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
InactiveLimit=0
MinJobAge=10
KillWait=2
Waittime=0
GresTypes=gpu
NodeName=c1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=6000 State=UNKNOWN
NodeName=g1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=6000 Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes=c1 Default=YES MaxTime=60 State=UP
PartitionName=gpu Nodes=g1 Default=NO MaxTime=60 State=UP
"""


def reason():
    """Why there can be no SLURM here; empty where there can."""
    missing = [name for name in NEEDED if not find(name)]
    if missing:
        return f"SLURM is not installed ({', '.join(missing)} missing): apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "a SLURM of one's own starts daemons, which only root may: run it as root, or in a container"


def find(name):
    return shutil.which(name) or shutil.which(name, path=SBIN)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Slurm:
    def __init__(self, root: Path):
        self.root, self.conf = root, root / "slurm.conf"

    def start(self):
        root = self.root
        for name in ("state", "spool/c1", "spool/g1", "log", "munge", "socket", "devices"):
            (root / name).mkdir(parents=True)
        root.chmod(0o755)  # munged wants all users to reach its socket
        (root / "munge").chmod(0o700)
        (root / "munge/key").write_bytes(os.urandom(1024))
        (root / "munge/key").chmod(0o400)
        device = root / "devices/nvidia0"
        os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))  # a second /dev/null stands in for a GPU
        (root / "gres.conf").write_text(f"NodeName=g1 Name=gpu File={device}\n")
        self.conf.write_text(CONF.format(host=socket.gethostname().split(".")[0], ports=free_ports(3), root=root))
        munge = {"key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self.daemon("munged", *(f"--{k}={root / 'munge' / v}" for k, v in munge.items()), f"--socket={root}/socket/munge", "--num-threads=2")
        self.daemon("slurmctld", "-f", self.conf)
        for node in ("c1", "g1"):
            self.daemon("slurmd", "-f", self.conf, "-N", node)
        self.wait(lambda: set(self.ask("sinfo", "-h", "-N", "-o", "%T").split()) == {"idle"}, "the nodes are not idle")

    def daemon(self, name, *words):
        with open(self.root / "log/start.log", "ab") as log:  # a daemon must not inherit our pipes
            subprocess.run(
                [find(name), *map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, env=os.environ | {"SLURM_CONF": str(self.conf)}
            )

    def ask(self, *words):
        return subprocess.run(words, capture_output=True, text=True, env=os.environ | {"SLURM_CONF": str(self.conf)}).stdout

    def wait(self, ready, trouble, seconds=30):
        end = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError("\n".join([trouble, *(f"{log}:\n{log.read_text()[-600:]}" for log in (self.root / "log").iterdir())]))
            time.sleep(0.1)

    def jobs(self):
        return self.ask("squeue", "-h", "-o", "%A").split()

    def stop(self):
        """End all jobs, then the daemons, by their process ids."""
        if self.jobs():
            self.ask("scancel", *self.jobs())
            self.wait(lambda: not self.jobs(), "jobs do not end")
        for file in (*self.root.glob("slurmd-*.pid"), self.root / "slurmctld.pid", self.root / "munge/pid"):
            if file.exists() and file.read_text().strip():
                end(int(file.read_text()))


def end(pid):
    for number in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(50):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            time.sleep(0.1)
