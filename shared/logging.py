"""structlog as JSON lines on stdout; one canonical line per message or request handled."""

import logging
import sys

import structlog

_STAMPS: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure(service: str, level: str = "INFO") -> None:
    """Set up logging for a process, other libraries' records included."""
    structlog.configure(
        processors=[*_STAMPS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_json_handler()], level=level.upper(), force=True)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)  # a client's bad tracestate is none of ours
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)


def _json_handler() -> logging.Handler:
    formatter = structlog.stdlib.ProcessorFormatter
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        formatter(
            foreign_pre_chain=_STAMPS,
            processors=[formatter.remove_processors_meta, structlog.processors.JSONRenderer()],
        )
    )
    return handler
