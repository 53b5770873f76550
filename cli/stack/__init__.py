"""The whole of Driftline on this machine: a broker, topics, keys and the five services, kept running."""

from cli.stack.plan import SERVICES, Plan, Service
from cli.stack.run import running_stack
from cli.stack.stack import Stack

__all__ = ["SERVICES", "Plan", "Service", "Stack", "running_stack"]
