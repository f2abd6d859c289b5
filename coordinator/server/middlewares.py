"""Around every handler: who may ask, and how errors are answered."""

import hmac
import logging

from aiohttp import typedefs, web

from ..errors import BadRequestError, NetrenderError, NotFoundError, StorageError, UnauthorizedError
from ..interfaces import is_loopback
from . import requests

log = logging.getLogger(__name__)

READ_BATCH = "/api/batches"  # a POST, because it names many blobs, that changes nothing


def error_response(error: NetrenderError, status: int = 0) -> web.Response:
    return web.json_response({"code": error.code, "message": error.message}, status=status or error.http_status)


@web.middleware
async def errors(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Our own errors become their status and a JSON body; the unforeseen becomes a 500 that is logged whole."""
    try:
        return await handler(request)
    except NetrenderError as error:
        if isinstance(error, StorageError):
            requests.service(request).recovery.on_storage_error(error)
        # While nothing can be kept, that is said once, and not with each request that is refused for it.
        known = isinstance(error, StorageError) and error.message == requests.service(request).recovery.problem
        level = logging.DEBUG if known else logging.INFO
        log.log(level, "%s %s from %s: %s: %s", request.method, request.path, request.remote, error.code, error.message)
        return error_response(error)
    except web.HTTPNotFound:
        return error_response(NotFoundError(f"no {request.path} here; the addresses are in docs/protocol.md"))
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        wrong = BadRequestError(f"{request.method} does not go with {request.path}; {allowed} do")
        response = error_response(wrong, error.status)
        response.headers["Allow"] = allowed
        return response
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return error_response(BadRequestError(error.text or error.reason), error.status)
    except web.RequestPayloadError as error:
        return error_response(BadRequestError(f"body: it is encoded wrongly: {error}"))
    except ConnectionError as error:  # mostly nobody is there to read this
        log.info("%s %s from %s broke off: %s", request.method, request.path, request.remote, error)
        return error_response(BadRequestError(f"the request broke off: {error}"), 408)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return error_response(NetrenderError("the coordinator failed; its log has the cause"))


@web.middleware
async def storage(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Refuse what could not be kept, before its body is read."""
    if request.method not in ("GET", "HEAD") and request.path != READ_BATCH:
        requests.service(request).recovery.check()
    return await handler(request)


def authentication(key: str | None) -> typedefs.Middleware:
    """Every request needs the farm's key, unless there is none (loopback)."""

    @web.middleware
    async def check(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
        # A page in somebody's browser may send requests to this address; ours never come with a foreign origin.
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.host:
            raise UnauthorizedError(f"requests from the web page {origin} are not taken")
        if key is not None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or not hmac.compare_digest(token.encode(errors="surrogateescape"), key.encode()):
                raise UnauthorizedError("the farm's key is missing or wrong; use the pairing line of the coordinator")
        elif not is_loopback(_host_name(request.host)):
            # Where nothing is asked, a page whose name was made to point at this machine must not get in either.
            raise UnauthorizedError(f"this coordinator answers to names of its own machine only, not {request.host!r}")
        return await handler(request)

    return check


def _host_name(host: str) -> str:
    """``[::1]:8470`` and ``localhost:8470`` without the port."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
