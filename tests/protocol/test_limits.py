"""Names, numbers and texts of the protocol, at their limits."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.errors import BadRequestError, NetrenderError
from coordinator.protocol import codec, limits, messages
from coordinator.protocol.jobs import Accepted, FrameInfo, JobInfo, SlaveInfo

JOB = {
    "id": "0123456789abcdef",
    "name": "job",
    "state": "finished",
    "reason": "all frames are done",
    "frames": "1-4",
    "counts": {"queued": 0, "dispatched": 0, "done": 4, "error": 0},
    "priority": 1,
    "blender": "4.5",
    "created": 1.0,
    "started": 2.0,
    "finished": None,
    "slaves": {"anna": 4},
}
FRAME = {"frame": 1, "state": "done", "seconds": 1.5, "sha256": "ab" * 32, "size": 9}
SLAVE = {
    "id": "ab" * 16,
    "name": "anna",
    "host": "anna.local",
    "blender": "4.5.15",
    "threads": 8,
    "features": ["gpu"],
    "connected": True,
    "job": "",
    "frame": None,
    "last_seen": 1.0,
}
ACCEPTED = {"id": "0123456789abcdef", "state": "waiting", "new": True, "missing": ["ab" * 32], "bases": {}}


@pytest.mark.parametrize(
    ("cls", "honest", "change"),
    [
        *((JobInfo, JOB, {"id": value}) for value in ("../../x", "", "A" * 16, "0" * 17)),
        *((JobInfo, JOB, {"priority": value}) for value in (0, -1, 11)),
        *((JobInfo, JOB, {"blender": value}) for value in ("newest", "4", "4.5.1", "4.5\n")),
        *((JobInfo, JOB, {name: value}) for name in ("created", "started", "finished") for value in (-1, 1e12)),
        *((JobInfo, JOB, {name: -1}) for name in ("max_slaves", "using")),
        (JobInfo, JOB, {"slaves": {"anna": -1}}),
        (JobInfo, JOB, {"slaves": {"x" * 101: 1}}),
        (JobInfo, JOB, {"barred": ["x" * 101]}),
        (JobInfo, JOB, {"counts": {"queued": -1, "dispatched": 0, "done": 0, "error": 0}}),
        *((FrameInfo, FRAME, {"sha256": value}) for value in ("../../x", "/etc/passwd", "AB" * 32, "ab")),
        *((FrameInfo, FRAME, {"frame": value}) for value in (2**21, -(2**21))),
        *((FrameInfo, FRAME, {name: -1}) for name in ("attempts", "size", "seconds")),
        (FrameInfo, FRAME, {"seconds": 1e10}),
        (FrameInfo, FRAME, {"size": 2**53}),
        *((SlaveInfo, SLAVE, {"blender": value}) for value in ("newest", "4.5", "4.5.x")),
        *((SlaveInfo, SLAVE, {name: value}) for name in ("id", "job") for value in ("../../x", "ab")),
        *((SlaveInfo, SLAVE, {"threads": value}) for value in (0, 2**20)),
        (SlaveInfo, SLAVE, {"last_seen": -1}),
        (SlaveInfo, SLAVE, {"host": "x" * 256}),
        (Accepted, ACCEPTED, {"id": "../../x"}),
        (Accepted, ACCEPTED, {"missing": ["../../x"]}),
    ],
)
def test_what_a_report_may_not_say(cls: type, honest: dict[str, Any], change: dict[str, Any]) -> None:
    codec.structure(honest, cls)
    with pytest.raises(BadRequestError, match=next(iter({"counts": "queued"}.get(name, name) for name in change))):
        codec.structure(honest | change, cls)


INTEGERS = st.integers(-(2**70), 2**70) | st.sampled_from([-(2**63), 2**63 - 1, 2**31, 10**18])
NUMBERS: st.SearchStrategy[Any] = (
    INTEGERS | st.floats(allow_nan=False) | st.sampled_from([0, 5e-324, 1e308, "1e999", "x", None, True, []])
)
FIELDS = ("lease", "frame", "frames", "sample", "samples", "seconds", "message", "reason", "threads", "memory", "job")


@given(
    st.sampled_from(["started", "progress", "done", "failed", "goodbye"]),
    st.dictionaries(st.sampled_from(FIELDS), NUMBERS),
)
def test_what_a_slave_says_is_in_range(kind: str, fields: dict[str, Any]) -> None:
    text = json.dumps({"type": kind} | fields).replace('"1e999"', "1e999")
    try:
        said = codec.loads(text, messages.FromSlave, union=True)
    except NetrenderError:
        return
    if not isinstance(said, messages.Goodbye | messages.Hello):
        assert 0 <= said.lease <= limits.MAX_LEASE and abs(said.frame) < 2**21
    if isinstance(said, messages.Done):
        assert 0 <= said.seconds <= limits.MAX_SECONDS
    if isinstance(said, messages.Progress):
        assert 0 <= said.sample < 2**31 and 0 <= said.samples < 2**31


@given(st.text(st.characters(), max_size=50))
def test_a_reason_can_always_be_told(text: str) -> None:
    """Blender, or the name of a file, may have what is no text; the failure is told all the same."""
    for long in (text, text * 1000):
        said = messages.Failed(lease=1, frame=1, message=long)
        assert codec.loads(codec.dumps(said, messages.FromSlave), messages.FromSlave, union=True) == said
        assert len(said.message) <= limits.MAX_TEXT
