"""The two lasting connections: a slave's WebSocket, and the event stream of whoever watches."""

import asyncio
import logging

from aiohttp import WSMsgType, web

from .. import __version__, versions
from ..constants import EVENT_KEEPALIVE, PING_INTERVAL, PROTOCOL_VERSION
from ..errors import BadRequestError, NetrenderError, StaleLeaseError, VersionMismatchError
from ..protocol import codec, messages
from ..scheduling import events as e
from ..scheduling.step import check_lease, find_job
from . import requests as r
from .reports import job_info
from .service import Service

log = logging.getLogger(__name__)

SOCKETS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("sockets", set)


async def slave(request: web.Request) -> web.WebSocketResponse:
    """One slave, from hello to the end of its connection."""
    socket = web.WebSocketResponse(heartbeat=PING_INTERVAL, max_msg_size=2**20)
    await socket.prepare(request)
    request.app[SOCKETS].add(socket)
    try:
        hello = await _hello(socket)
        if hello is not None:
            await _serve(r.service(request), socket, hello)
    except NetrenderError as error:
        log.warning("slave at %s is refused: %s", request.remote, error.message)
        await _refuse(socket, error)
    finally:
        request.app[SOCKETS].discard(socket)
    return socket


async def _refuse(socket: web.WebSocketResponse, error: NetrenderError) -> None:
    if not socket.closed:
        await socket.send_str(codec.dumps(messages.Refused(code=error.code, message=error.message), messages.ToSlave))
        await socket.close()


async def _hello(socket: web.WebSocketResponse) -> messages.Hello | None:
    first = await socket.receive()
    if first.type is WSMsgType.BINARY:
        raise BadRequestError("body: expected JSON text, got bytes")
    if first.type is not WSMsgType.TEXT:
        return None
    data = codec.parse(first.data)
    # Before anything else: a later version may say hello in other fields.
    if isinstance(data, dict) and data.get("type") == "hello" and data.get("protocol") != PROTOCOL_VERSION:
        there = versions.Side(who="the coordinator", place="on the coordinator's machine")
        here = versions.Side(
            who="the slave",
            place="on the slave's machine",
            netrender=data.get("netrender"),
            protocol=data.get("protocol"),
        )
        raise VersionMismatchError(versions.mismatch(there, here))
    hello = codec.structure(data, messages.FromSlave, union=True)
    if not isinstance(hello, messages.Hello):
        raise BadRequestError("type: the first message must be hello")
    return hello


async def _serve(service: Service, socket: web.WebSocketResponse, hello: messages.Hello) -> None:
    service.recovery.check()
    outgoing: asyncio.Queue[messages.ToSlave] = asyncio.Queue()
    if hello.slave in service.outboxes:  # it came back before we noticed that it had gone
        service.outboxes[hello.slave](messages.Refused(code="conflict", message="this slave connected again"))
    put = outgoing.put_nowait
    put(messages.Welcome(protocol=PROTOCOL_VERSION, netrender=__version__))
    service.outboxes[hello.slave] = put
    sender: asyncio.Task[None] | None = None
    reason = "its connection closed"
    try:
        await service.apply(_joined(service, hello))
        sender = asyncio.create_task(_send_all(socket, outgoing), name=f"send to {hello.name}")
        log.info("slave %s (%s, Blender %s) joined", hello.name, hello.host, hello.blender)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                goodbye = None
                for said in codec.loads_each(message.data, messages.FromSlave):
                    if isinstance(said, messages.Goodbye):
                        goodbye = said
                        break
                    _said(service, hello, said)
                if goodbye is not None:
                    reason = goodbye.reason or "it stopped"
                    break
            elif message.type is WSMsgType.BINARY:
                raise BadRequestError("body: expected JSON text, got bytes")
    except BadRequestError as error:
        reason = f"it said what it may not: {error.message}"
        raise
    finally:
        if sender is not None:
            sender.cancel()
        if service.outboxes.get(hello.slave) is put:
            del service.outboxes[hello.slave]
            service.recovery.asked.discard(hello.slave)
            if not service.closing:
                # Where this is refused, the farm is being loaded again, and the slave is not connected in it.
                service.submit(e.SlaveLeft(now=service.clock(), slave=hello.slave, reason=reason))
            log.info("slave %s left: %s", hello.name, reason)
    await socket.close()


def _joined(service: Service, hello: messages.Hello) -> e.SlaveJoined:
    return e.SlaveJoined(
        now=service.clock(),
        slave=hello.slave,
        name=hello.name,
        host=hello.host,
        blender=hello.blender,
        threads=hello.threads,
        features=hello.features,
        holding=hello.holding,
        tags=hello.tags,
        memory=hello.memory,
        confined=hello.confined,
        aside=hello.aside,
    )


async def _send_all(socket: web.WebSocketResponse, outgoing: "asyncio.Queue[messages.ToSlave]") -> None:
    try:
        while True:
            some = [await outgoing.get()]
            while not outgoing.empty():
                some.append(outgoing.get_nowait())
            await socket.send_str(codec.dumps_each(some, messages.ToSlave))
            if any(isinstance(message, messages.Refused) for message in some):
                await socket.close()
    except ConnectionError:
        pass  # the reading side sees the same end and deals with it


def _said(service: Service, hello: messages.Hello, said: messages.FromSlave) -> None:
    now, slave = service.clock(), hello.slave
    try:
        match said:
            case messages.Started():
                service.take(e.FrameStarted(now=now, slave=slave, lease=said.lease, frame=said.frame))
            case messages.Done():
                lease = check_lease(service.farm, slave, said.lease, said.frame)
                if not service.farm.jobs[lease.job].manifest.discard:
                    raise BadRequestError(
                        f"type: job {lease.job} keeps its results; a frame of it is done by sending one"
                    )
                service.take(
                    e.FrameDone(
                        now=now, slave=slave, lease=said.lease, job=lease.job, frame=said.frame, seconds=said.seconds
                    )
                )
            case messages.Failed():
                service.take(
                    e.FrameFailed(
                        now=now,
                        slave=slave,
                        lease=said.lease,
                        frame=said.frame,
                        message=said.message,
                        fault=said.fault,
                    )
                )
            case messages.Aside():
                if service.farm.slaves[slave].aside != said.reason:  # it may say so again and again
                    log.warning("slave %s is set aside: %s", hello.name, said.reason)
                service.take(e.SlaveAside(now=now, slave=slave, reason=said.reason, job=said.job, holding=said.holding))
            case messages.Fit():
                log.info("slave %s is fit again", hello.name)
                service.take(e.SlaveFit(now=now, slave=slave))
            case messages.Progress():
                lease = check_lease(service.farm, slave, said.lease, said.frame)
                service.watchers.tell(
                    messages.FrameProgress(
                        job=lease.job, frame=said.frame, slave=hello.name, sample=said.sample, samples=said.samples
                    )
                )
            case messages.Hello() if slave in service.recovery.asked:
                if said.slave != slave:
                    raise BadRequestError("slave: it is not the one of the first hello")
                service.recovery.asked.discard(slave)
                service.take(_joined(service, said))
            case messages.Hello():
                raise BadRequestError("type: hello was said already")
    except StaleLeaseError as error:
        # It was sent before our cancel arrived there; the slave learns of that in its own time.
        log.debug("slave %s: %s", hello.name, error.message)
    except BadRequestError:
        raise
    except NetrenderError as error:
        # The farm is loaded again: the slave is asked what it holds, and says again what matters of this.
        log.info("what slave %s said is not taken: %s", hello.name, error.message)


async def events(request: web.Request) -> web.StreamResponse:
    """What happens, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
    service, job = r.service(request), request.query.get("job")
    if job is not None:
        find_job(service.farm, job)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    known = [one for one in service.farm.jobs.values() if job in (None, one.id)]
    first: list[messages.Event] = (
        [messages.ProblemChanged(problem=problem)] if (problem := service.recovery.problem) else []
    )
    first += [messages.JobChanged(job=job_info(service.farm, one)) for one in sorted(known, key=lambda one: one.order)]
    # What led to these states is told before there is a watcher, and what follows after: no event is lost or old.
    watcher = await service.watch(job)
    try:
        await response.prepare(request)
        for event in first:
            await response.write(f"data: {codec.dumps(event, messages.Event)}\n\n".encode())
        while True:
            try:
                async with asyncio.timeout(EVENT_KEEPALIVE):
                    text = await watcher.queue.get()
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            some = [text]
            while not watcher.queue.empty():
                some.append(watcher.queue.get_nowait())
            lines = "".join(f"data: {one}\n\n" for one in some if one is not None)
            if lines:
                await response.write(lines.encode())
            if None in some:
                return response
    finally:
        service.watchers.remove(watcher)


ROUTES = [web.get("/api/slave", slave, allow_head=False), web.get("/api/events", events, allow_head=False)]
