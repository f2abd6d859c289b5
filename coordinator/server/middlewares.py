"""Around every handler: who may ask, and how errors are answered."""

import hmac
import logging
from urllib.parse import urlsplit

from aiohttp import typedefs, web

from ..errors import BadRequestError, NetrenderError, NotFoundError, UnauthorizedError

log = logging.getLogger(__name__)


def error_response(error: NetrenderError) -> web.Response:
    return web.json_response({"code": error.code, "message": error.message}, status=error.http_status)


@web.middleware
async def errors(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
    """Our own errors become their status and a JSON body; the unforeseen becomes a 500 that is logged whole."""
    try:
        return await handler(request)
    except NetrenderError as error:
        log.info("%s %s from %s: %s: %s", request.method, request.path, request.remote, error.code, error.message)
        return error_response(error)
    except web.HTTPNotFound:
        return error_response(NotFoundError(f"no {request.path} here; the addresses are in docs/protocol.md"))
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        response = error_response(BadRequestError(f"{request.method} does not go with {request.path}; {allowed} do"))
        response.set_status(405)
        response.headers["Allow"] = allowed
        return response
    except web.HTTPRequestEntityTooLarge as error:
        response = error_response(BadRequestError(f"the body is too large: {error.text}"))
        response.set_status(413)
        return response
    except (web.HTTPException, ConnectionError):
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return error_response(NetrenderError("the coordinator failed; its log has the cause"))


def authentication(key: str | None) -> typedefs.Middleware:
    """Every request needs the farm's key, unless there is none (loopback)."""

    @web.middleware
    async def check(request: web.Request, handler: typedefs.Handler) -> web.StreamResponse:
        # A page in somebody's browser may send requests to this address; ours never come with a foreign origin.
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise UnauthorizedError(f"requests from the web page {origin} are not taken")
        if key is not None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or not hmac.compare_digest(token.encode(), key.encode()):
                raise UnauthorizedError("the farm's key is missing or wrong; use the pairing line of the coordinator")
        return await handler(request)

    return check
