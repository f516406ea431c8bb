"""Structured logs: one pipeline for structlog and for libraries that use the standard library."""

import json
import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from app.core.settings import LoggingSettings

_MASK: Final = "[masked]"
_MAX_DEPTH: Final = 4
_HARMLESS: Final = frozenset({int, float, bool, type(None)})
_SECRET_NAME: Final = re.compile(
    r"passw|passphrase|secret|token|authorization|cookie|credential|api_?key|e?mail",
    re.IGNORECASE,
)
# Bounded repetitions only: the text may be a client's.
_SECRET_TEXT: Final = re.compile(
    r"""
      [\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}    # an e-mail address
    | eyJ[\w-]{8,2048}\.[\w-]{1,4096}(?:\.[\w-]{0,1024})?  # a JWT
    | (?<=://)[^\s/@:]{0,64}:[^\s/@]{1,256}(?=@)           # user:password@ in a URL
    | (?<=earer[ ])[\w.~+/=-]{1,4096}                      # Bearer ...
    | (?<=token[=:])[ ]?[\w.~+/-]{1,4096}                  # ?token=...
    | \$argon2[\w$=,+/-]{1,512}                            # a hash by Argon2
    | (?<=row[ ]contains[ ])\([^\n]{1,8192}                # PostgreSQL quotes the whole row
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HINT: Final = re.compile(r"@|eyJ|earer |oken|\$argon2|row contains", re.IGNORECASE)


def configure_logging(settings: LoggingSettings, stream: TextIO | None = None) -> None:
    """Write everything that is logged to `stream` (standard output), with secrets masked."""
    output = stream or sys.stdout
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Before masking: tracebacks quote rows and URLs.
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    renderer: Processor = structlog.processors.JSONRenderer(serializer=_json)
    if settings.format == "console":
        colors = output.isatty() if settings.colors is None else settings.colors
        renderer = structlog.dev.ConsoleRenderer(colors=colors)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # `print` writes the end of a line by itself: one more system call where output is not buffered.
        logger_factory=structlog.WriteLoggerFactory(output),
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    _route_through_root("uvicorn", "uvicorn.error", "uvicorn.asgi")
    # The middleware logs each request, without the query string.
    logging.getLogger("uvicorn.access").disabled = True


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace secrets and e-mail addresses, by the name of the field or the look of the text."""
    for name, value in event.items():
        # `_record` and the like are the pipeline's own.
        if type(value) not in _HARMLESS and not name.startswith("_"):
            event[name] = _masked(name, value)
    return event


def _masked(name: str, value: Any, depth: int = 0) -> Any:
    if type(value) in _HARMLESS:
        return value
    if _is_secret_name(name) or depth == _MAX_DEPTH:
        return _MASK
    # Text first: this runs for each field of each line.
    if type(value) is str:
        return _SECRET_TEXT.sub(_MASK, value) if _HINT.search(value) else value
    if isinstance(value, Mapping):
        return {key: _masked(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_masked("", item, depth + 1) for item in value]
    return _masked(name, str(value), depth)


@lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _json(event: EventDict, **options: Any) -> str:
    try:
        return orjson.dumps(event, default=options["default"]).decode()
    except orjson.JSONEncodeError:
        # A lone surrogate or a huge integer, from a client; the log line must not be lost.
        return json.dumps(event, default=options["default"])


def _route_through_root(*names: str) -> None:
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
