"""Slaves that come, go, are set aside and are healed."""

from collections.abc import Iterable

from ..protocol.messages import Held
from . import events as e
from . import faults
from .failures import forget
from .farm import Farm
from .leases import find_slave, revoke, take_back
from .models import Slave


def joined(farm: Farm, event: e.SlaveJoined) -> list[e.Decision]:
    slave = farm.slaves.get(event.slave)
    if slave is None:
        slave = farm.slaves[event.slave] = Slave(
            id=event.slave, name=event.name, host=event.host, blender=event.blender, threads=event.threads
        )
    slave.name, slave.host, slave.blender, slave.threads = event.name, event.host, event.blender, event.threads
    slave.features, slave.tags, slave.memory = frozenset(event.features), frozenset(event.tags), event.memory
    slave.confined = event.confined
    slave.describe()
    slave.aside = event.aside
    slave.last_seen, slave.job, slave.frame = event.now, "", None
    slave.last_job = slave.scene = ""
    decisions: list[e.Decision] = [e.SlaveMoved(slave=slave.id, connected=True, persist=True)]
    decisions += _compare(farm, slave, event.holding, f"{slave.name} came back without it")
    farm.connect(slave, True)
    return decisions


def _compare(farm: Farm, slave: Slave, holds: Iterable[Held], reason: str) -> list[e.Decision]:
    """What it was leased against what it holds: one side or both may have been away. Only what both know lives on."""
    decisions: list[e.Decision] = []
    holding = {held.lease: set(held.frames) for held in holds}
    for lease in [farm.leases[number] for number in slave.leases]:
        lease.granted = farm.now  # nobody knows since when it renders
        lost = lease.frames - holding.get(lease.id, set())
        decisions += take_back(farm, lease, sorted(lost), reason)
    for number, frames in holding.items():
        kept = farm.leases[number].frames if number in slave.leases else set[int]()
        if not kept:
            decisions.append(e.Revoked(lease=number, slave=slave.id, reason="the lease is not valid any more"))
        elif over := frames - kept:
            reason = "others have these frames, or they are done"
            decisions.append(e.Revoked(lease=number, slave=slave.id, reason=reason, frames=tuple(sorted(over))))
    return decisions


def left(farm: Farm, event: e.SlaveLeft) -> list[e.Decision]:
    slave = find_slave(farm, event.slave)
    farm.connect(slave, False)
    slave.last_seen, slave.job, slave.frame = event.now, "", None
    decisions: list[e.Decision] = [e.SlaveMoved(slave=slave.id, connected=False, persist=True)]
    for lease in [farm.leases[number] for number in slave.leases]:
        decisions += revoke(farm, lease, f"{slave.name} was lost: {event.reason}")
    return decisions


def set_aside(farm: Farm, event: e.SlaveAside) -> list[e.Decision]:
    slave = find_slave(farm, event.slave)
    if not slave.aside:  # else it says again what it has said
        faults.count_aside(farm, slave, event.job, event.reason)
    slave.aside = event.reason
    farm.look_after(slave)
    farm.ranking.news = True  # who is well decides who else may try a frame that failed
    decisions: list[e.Decision] = [e.SlaveMoved(slave=slave.id, connected=slave.connected)]
    return decisions + _compare(farm, slave, event.holding, f"{slave.name} was set aside: {event.reason}")


def fit(farm: Farm, event: e.SlaveFit) -> list[e.Decision]:
    slave = find_slave(farm, event.slave)
    slave.aside = ""
    farm.look_after(slave)
    farm.ranking.news = True
    return [e.SlaveMoved(slave=slave.id, connected=slave.connected)]


def grace_ended(farm: Farm, event: e.GraceEnded) -> list[e.Decision]:
    decisions: list[e.Decision] = []
    for slave in farm.slaves.values():
        if not slave.connected:
            for lease in [farm.leases[number] for number in slave.leases]:
                decisions += revoke(farm, lease, f"{slave.name} did not come back")
    return decisions


def healed(farm: Farm, event: e.SlaveHealed) -> list[e.Decision]:
    slave = find_slave(farm, event.slave)
    forget(farm, slave)
    return [e.SlaveMoved(slave=slave.id, connected=slave.connected)]
