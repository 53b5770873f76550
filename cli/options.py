"""What holds for the options of all commands."""

from typing import Any, cast

import typer
from typer.core import TyperCommand

_MAY_BE_EMPTY = {"keep"}  # no columns


class Command(TyperCommand):
    """A command that refuses empty options and arguments: the "" of an unset variable of a shell must not come to mean
    "all", "now" or the current folder.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does; raises typer.BadParameter, which ends with 2, naming what is empty."""
        said, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in cast(Any, self.get_params(ctx)):
            values = said.get(parameter.name)
            given = values if isinstance(values, list | tuple) else (values,)
            if "" in given and parameter.name not in _MAY_BE_EMPTY:
                raise typer.BadParameter("it is empty", ctx=ctx, param=parameter)
        return super().parse_args(ctx, args)
