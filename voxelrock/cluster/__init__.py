"""Where to compute: processes of this machine, jobs of SLURM, a cluster that runs already; each is an ordinary client of Dask."""

from voxelrock.cluster.machines import connect, gpu, local
from voxelrock.cluster.planning import Plan, Workers, plan
from voxelrock.cluster.slurm import Queue, slurm

__all__ = ["Plan", "Queue", "Workers", "connect", "gpu", "local", "plan", "slurm"]
