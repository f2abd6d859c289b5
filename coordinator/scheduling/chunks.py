"""How many frames a slave gets at once."""

from math import ceil

from .farm import Farm
from .models import Job, Slave


def chunk_size(farm: Farm, job: Job, slave: Slave) -> int:
    """The job's own number, or what renders in the chunk target, shrinking so that all slaves end together."""
    if job.manifest.chunk:
        return job.manifest.chunk
    expected = job.expected(slave.id)
    if expected is None or job.frame_seconds is None:
        return 1
    # A slave that is slower than the others gets a smaller part of what is left.
    speed = min(job.frame_seconds / expected, 4.0) if expected > 0 else 1.0
    share = ceil(speed * job.frames.takeable / (2 * max(len(farm.online), 1)))
    return max(1, min(share, int(farm.policy.chunk_target / expected) if expected > 0 else share))
