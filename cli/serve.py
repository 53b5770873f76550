"""Runs a stack in the foreground: says what happens, shows where everything is, ends on a signal."""

import asyncio
import contextlib
import sys

from rich.console import Console
from rich.table import Table

from cli.signals import run_until_signal
from cli.stack import Plan, Stack, running_stack


def serve(plan: Plan) -> None:
    """Returns after a signal, when all has been stopped.

    Raises:
        UserError: the stack cannot be started; nothing is left running.
        OSError: the state folder cannot be written.
    """
    run_until_signal(_serve(plan), lambda: say("stopping"))


async def _serve(plan: Plan) -> None:
    async with running_stack(plan, say) as stack:
        show(stack)
        await asyncio.Event().wait()


def say(line: str) -> None:
    """One line on standard error; a terminal that has gone does not stop us."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201 it is the command's voice


def show(stack: Stack) -> None:
    """The table of what runs where, on standard output."""
    table = Table("service", "address", "state")
    table.add_row("kafka", stack.kafka, "outside broker" if stack.plan.bootstrap else "ready")
    for name, address in stack.addresses.items():
        table.add_row(name, address, "ready")
    for name, address in stack.grpc.items():
        table.add_row(f"{name}, gRPC", address, "ready")
    with contextlib.suppress(OSError):
        Console().print(table)
