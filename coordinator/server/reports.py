"""Jobs and slaves as they are reported: from the scheduler's objects to the protocol's."""

from ..protocol.jobs import JobInfo, SlaveInfo
from ..scheduling.failures import sickness
from ..scheduling.farm import Farm
from ..scheduling.models import Job, Slave


def job_info(farm: Farm, job: Job) -> JobInfo:
    return JobInfo(
        id=job.id,
        name=job.manifest.name,
        state=job.state,
        reason=job.reason,
        frames=job.manifest.frames,
        counts=job.frames.counts,
        priority=job.priority,
        blender=job.blender,
        created=job.created,
        started=job.started,
        finished=job.finished,
        slaves=dict(job.done_by),
        max_slaves=job.max_slaves,
        using=len(job.users),
        barred=tuple(sorted(farm.slaves[slave].name for slave in job.barred)),
    )


def slave_info(slave: Slave) -> SlaveInfo:
    return SlaveInfo(
        id=slave.id,
        name=slave.name,
        host=slave.host,
        blender=slave.blender,
        threads=slave.threads,
        features=tuple(sorted(slave.features)),
        connected=slave.connected,
        job=slave.job,
        frame=slave.frame,
        last_seen=slave.last_seen,
        tags=tuple(sorted(slave.tags)),
        memory=slave.memory,
        confined=slave.confined,
        sick=sickness(slave),
        aside=slave.aside,
    )
