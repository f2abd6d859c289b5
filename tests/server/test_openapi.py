"""docs/openapi.yaml is the contract: the coordinator keeps it, and the classes of the protocol are in it."""

import asyncio
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import aiohttp
import attrs
import pytest
import schemathesis
from aiohttp import web
from attrs import frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from coordinator import errors
from coordinator.constants import FRAME_ATTEMPTS
from coordinator.protocol import batches, codec, deltas, jobs, messages
from coordinator.protocol.states import FrameState, JobState
from coordinator.server import archives, blobs, frames, streams
from coordinator.server import jobs as job_handlers

from ..coordinators import RunningCoordinator, running_coordinator
from ..slaves import FakeSlave
from ..submissions import manifest, sha256, submit, upload

# Schemathesis imports these on first use, and pytest rewrites them: so deep in a stack CPython 3.11 cannot parse them.
for name in ("generation.body_overrides", "generation.dictionaries", "specs.openapi.object_authorization"):
    importlib.import_module(f"schemathesis.{name}")

A_BLOB = b"a blob"

PATH = Path(__file__).parents[2] / "docs" / "openapi.yaml"
CONTRACT = schemathesis.openapi.from_path(PATH)
SPEC: dict[str, Any] = CONTRACT.raw_schema
SCHEMAS: dict[str, dict[str, Any]] = SPEC["components"]["schemas"]

STREAMS = {"/api/slave", "/api/events"}  # they do not end by themselves; test_streams.py has them
Operation = APIOperation[Any, Any, Any, Any]
OPERATIONS: list[Operation] = [
    found.ok() for found in CONTRACT.get_all_operations() if isinstance(found, Ok) and found.ok().path not in STREAMS
]

schemathesis.serializer.alias("image/x-exr", "application/octet-stream")
schemathesis.serializer.alias("application/x-tar", "application/octet-stream")
schemathesis.serializer.alias(batches.MEDIA_TYPE, "application/octet-stream")
schemathesis.serializer.alias(deltas.MEDIA_TYPE, "application/octet-stream")


# --- the document -----------------------------------------------------------------------------------------------------


def test_it_is_valid_openapi() -> None:
    CONTRACT.validate()
    assert len(OPERATIONS) > 10


def test_the_routes_are_those_of_the_coordinator() -> None:
    # A name with a pattern, {command:cancel|pause}, is a name with an enum there.
    routes = {
        (route.method.lower(), re.sub(r"{(\w+):[^}]*}", r"{\1}", route.path))
        for module in (job_handlers, frames, blobs, archives, streams)
        for route in module.ROUTES
        if isinstance(route, web.RouteDef)
    }
    methods = {"get", "head", "put", "post", "delete", "patch"}
    assert routes == {(method, path) for path, item in SPEC["paths"].items() for method in item if method in methods}


def test_everything_that_is_defined_is_used() -> None:
    text = PATH.read_text(encoding="utf-8")
    for kind in ("schemas", "responses", "parameters", "headers"):
        for name in SPEC["components"][kind]:
            if name not in ("FromSlave", "ToSlave"):  # the WebSocket's, which OpenAPI cannot refer to
                assert f"#/components/{kind}/{name}" in text, f"{kind} {name}"


def _members(union: Any) -> list[type]:
    return list(get_args(union))


MESSAGES = [*_members(messages.FromSlave), *_members(messages.ToSlave), *_members(messages.Event)]
CLASSES = [
    cls for cls in vars(jobs).values() if isinstance(cls, type) and attrs.has(cls) and cls.__module__ == jobs.__name__
]


@pytest.mark.parametrize("cls", [*CLASSES, *MESSAGES], ids=lambda cls: cls.__name__)
def test_a_class_and_its_schema_have_the_same_fields(cls: type[attrs.AttrsInstance]) -> None:
    schema = SCHEMAS[cls.__name__]
    properties = dict(schema["properties"])
    if cls in MESSAGES:
        assert properties.pop("type") == {"const": codec.tag(cls)}
    fields = attrs.fields_dict(cls)
    assert list(properties) == list(fields)
    assert schema["additionalProperties"] is False
    needed = {name for name, field in fields.items() if field.default is attrs.NOTHING}
    # What only the coordinator says always has all of its fields, so that others need no defaults.
    said_whole = {name for name, value in properties.items() if "default" not in value}
    assert set(schema["required"]) - {"type"} == said_whole >= needed
    for name, value in properties.items():
        if "default" in value:
            default = fields[name].default
            assert value["default"] == (list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("union", ["FromSlave", "ToSlave", "Event"])
def test_the_messages_are_those_of_the_protocol(union: str) -> None:
    members: UnionType = getattr(messages, union)
    named = [one["$ref"].rpartition("/")[2] for one in SCHEMAS[union]["oneOf"]]
    assert named == [cls.__name__ for cls in _members(members)]


def test_states_and_error_codes_are_those_of_the_code() -> None:
    assert SCHEMAS["JobState"]["enum"] == list(JobState)
    assert SCHEMAS["FrameState"]["enum"] == list(FrameState)
    assert set(SCHEMAS["Error"]["properties"]["code"]["enum"]) <= set(errors.BY_CODE)


def test_the_example_is_a_manifest() -> None:
    (example,) = SCHEMAS["Manifest"]["examples"]
    assert len(codec.structure(example, jobs.Manifest).files) == 1


# --- against the coordinator ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCoordinator]:
    with running_coordinator(tmp_path_factory.mktemp("coordinator")) as running:
        yield running


FRAMES = (1, 2, 3, 4)


@frozen
class Prepared:
    job: str  # with a frame in every state: 1 is done, 2 failed, 3 has a log, 4 was never touched
    commanded: str  # another one, as commands would change the first


@pytest.fixture(scope="module")
def prepared(coordinator: RunningCoordinator) -> Prepared:
    return asyncio.run(_prepare(coordinator))


async def _prepare(coordinator: RunningCoordinator) -> Prepared:
    async with aiohttp.ClientSession(coordinator.url) as http:
        await upload(http, A_BLOB)
        job = await submit(http, manifest("1-4", chunk=1))
        async with FakeSlave(coordinator.url, "anna") as anna:
            await anna.render(await anna.work())
            for _ in range(FRAME_ATTEMPTS):
                await anna.failed(await anna.work(), 2)
            work = await anna.work()
            await anna.post_log(work, 3, "Sample 1/4\n")
        return Prepared(job, await submit(http, manifest(name="commanded")))


POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE

# What fits the schema may still be refused there: bytes of another SHA-256, a .blend that is not among the files, a
# range behind the end, the result of a frame that failed.
STRICTER = {
    "postArchive",
    "getArchive",
    "announce",
    "putBlob",
    "patchBlob",
    "putBatch",
    "readBatch",
    "putResult",
    "getBlob",
    "getResult",
    "getLog",
}


def has_input(operation: Operation) -> bool:
    """Something that can be wrong; any bytes are a binary body."""
    schemas = [body["schema"] for body in operation.definition.raw.get("requestBody", {}).get("content", {}).values()]
    binary = all(schema.get("format") == "binary" for schema in schemas)
    return not binary or any(True for _ in operation.iter_parameters())


def ask(coordinator: RunningCoordinator, operation: Operation, case: Any) -> None:
    stricter = operation.definition.raw["operationId"] in STRICTER
    excluded = [positive_data_acceptance] if stricter else []
    case.validate_response(case.call(base_url=coordinator.url, timeout=60), excluded_checks=excluded)


bounded = settings(
    max_examples=30, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: str(operation.label))
def test_what_fits_the_contract(coordinator: RunningCoordinator, prepared: Prepared, operation: Operation) -> None:
    """Every answer is one that the contract has; asked for things that are there, and for others."""

    @bounded
    @given(case=operation.as_strategy(generation_mode=POSITIVE), there=st.booleans())
    def one(case: Any, there: bool) -> None:
        parameters = case.path_parameters
        if not there or not parameters:
            ask(coordinator, operation, case)
            return
        job = prepared.commanded if "command" in parameters else prepared.job
        for frame in FRAMES if "frame" in parameters else FRAMES[:1]:
            known = {"job": job, "frame": frame, "sha256": sha256(A_BLOB)}
            case.path_parameters = {name: known.get(name, value) for name, value in parameters.items()}
            ask(coordinator, operation, case)

    one()


@pytest.mark.parametrize(
    "operation", [one for one in OPERATIONS if has_input(one)], ids=lambda operation: str(operation.label)
)
def test_what_does_not_fit_the_contract(coordinator: RunningCoordinator, operation: Operation) -> None:
    """It is refused, in a way that the contract has."""

    @bounded
    @given(case=operation.as_strategy(generation_mode=NEGATIVE))
    def one(case: Any) -> None:
        ask(coordinator, operation, case)

    one()
