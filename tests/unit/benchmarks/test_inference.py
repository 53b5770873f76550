"""The parts of the benchmark of inference that measure nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.inference.cases import FULL, QUICK, ROWS, Case, Place, Plan
from benchmarks.inference.figures import Figures, Overloaded, Run
from benchmarks.inference.goals import GOALS, Goal, ratios
from benchmarks.inference.kinds import GRAPHS
from benchmarks.inference.load import load
from benchmarks.inference.overload import flood
from benchmarks.inference.report import as_page, as_text
from benchmarks.inference.requests import Bodies, NamedBodies, PlainNamedBodies
from benchmarks.inference.steps import STEPS
from benchmarks.inference.tables import tables
from services.inference.domain.request import read_request
from services.inference.domain.tensor import Tensor

FAST = Case(Place("gbm", 16, 1), "json", "fast")
PLAIN = FAST._replace(server="plain")
REQUEST = b"GET / HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ninference-header-content-length: 1\r\ncontent-length: 8\r\n\r\n12345678"


def one_run(requests: float, p99: float = 2, server: float = 0.95) -> Run:
    return Run(requests, 1, p99, server, lost=0.01, load=0.3, load_lost=0.1, broker=0.1)


def overloaded(p99: float = 40) -> Overloaded:
    return Overloaded(
        can=1_000, rate=1_500, sent=6_000, unsent=3, seconds=4, answers={200: 4_000, 503: 1_998, 500: 2}, mute=1,
        p50=10, p99=p99, refused_p99=12, late_p99=1, before=200, after=203, most=204,
        server=0.99, lost=0, load=0.4, load_lost=0.1, broker=0.1,
    )  # fmt: skip


def made_up(plan: Plan) -> Figures:
    figures = Figures()
    for number in range(plan.rounds):
        for case in plan.cases():
            figures.runs[case].append(one_run((100 if case.server == "plain" else 1_000) + number))
        for graph in GRAPHS:
            for rows in ROWS:
                figures.alone[graph, rows].append(1_100)
        for form in ("json", "binary"):
            figures.steps[1, form].append([number + 1.0] * len(STEPS))
        figures.overloads.append(overloaded())
    return figures


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    figures = Figures()
    figures.runs[FAST] = [one_run(100), one_run(900), one_run(500)]
    figures.runs[PLAIN] = [one_run(10), one_run(100), one_run(100)]
    assert figures.to_plain(FAST) == 9
    assert figures.middle(FAST).requests == 500


@pytest.mark.parametrize(
    ("run", "binds"),
    [
        (one_run(1, server=0.89), "server"),
        (one_run(1, server=0.5)._replace(load=0.7, load_lost=0.25), "load"),
        (one_run(1, server=0.5), "none"),
    ],
)
def test_who_was_ready_to_run_nearly_all_the_time_binds(run: Run, binds: str) -> None:
    assert run.binds == binds


def test_a_goal_is_met_up_to_its_bound() -> None:
    assert [Goal("", "", least=2).is_met(value) for value in (1.9, 2, 3)] == [False, True, True]
    assert [Goal("", "", most=2).is_met(value) for value in (1.9, 2, 3)] == [True, True, False]


def test_every_goal_has_its_figure_in_a_full_run() -> None:
    assert {goal.name for goal in GOALS} <= set(ratios(made_up(FULL)))


def test_a_quick_run_has_the_figures_of_sixteen_connections() -> None:
    found = ratios(made_up(QUICK))
    names = ("plain_1row", "plain_32rows", "limit_1000rows")
    assert {*names, *(f"{name}_binary" for name in names)} <= set(found)
    assert not [name for name in found if "_64" in name]


def test_an_answer_that_no_client_expects_fails_the_goal_of_the_overload() -> None:
    assert ratios(made_up(QUICK))["overload_strange"] == 3  # two of 500, one without Retry-After


def test_the_page_holds_all_tables_with_all_their_columns() -> None:
    made = tables(made_up(FULL))
    page = as_page(made, FULL, "python -m it", {"cores": "2 cores", "system": "a system", "packages": "a 1, b 2"})
    for table in made:
        assert f"## {table.title}\n" in page
        assert {len(row) for row in table.rows} == {len(table.head)}
    assert "`python -m it` wrote this page" in page
    assert "a 1, b 2" in page
    assert "median of 5 rounds" in page
    assert "| met |" in page
    assert "| NOT MET |" in page
    lines = as_text(made[0]).splitlines()
    assert len(set(map(len, lines[1:]))) == 1  # aligned
    assert len(lines) == 2 + len(GOALS)


def test_named_inputs_say_the_same_in_json_in_binary_and_to_the_plain_application() -> None:
    bodies = NamedBodies("/x")
    text, _ = bodies.body(3, "json", seed=5)
    binary, line = bodies.body(3, "binary", seed=5)
    one, two = read_request(text), read_request(binary, int(line.split(":")[1]))
    plain = json.loads(PlainNamedBodies("/x").body(3, "json", seed=5)[0])["inputs"]
    assert len(one.inputs) == 20
    assert [values(tensor) for tensor in one.inputs.values()] == list(plain.values())
    assert list(two.inputs) == list(plain)
    assert [values(tensor) for tensor in two.inputs.values()] == list(plain.values())


def values(tensor: Tensor) -> list[float | str]:
    return [each if isinstance(each, str) else round(float(each), 4) for each in tensor.data]


def test_one_input_says_the_same_in_json_and_in_binary() -> None:
    bodies = Bodies("/x")
    text, _ = bodies.body(3, "json", seed=5)
    binary, line = bodies.body(3, "binary", seed=5)
    one, two = read_request(text), read_request(binary, int(line.split(":")[1]))
    assert one.inputs["features"].shape == two.inputs["features"].shape == (3, 20)
    assert values(one.inputs["features"]) == values(two.inputs["features"])


@asynccontextmanager
async def server(*pieces: bytes) -> AsyncIterator[int]:
    """Answers each request with these pieces; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.002)
        except asyncio.IncompleteReadError:  # the client has gone
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1")
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def test_an_answer_counts_once_it_is_whole() -> None:
    async with server(OK[:-3], OK[-3:]) as port:
        measured = await asyncio.to_thread(load, port, [REQUEST], 2, 0.1)
    assert measured.answered >= 2
    assert measured.p50 >= 1  # milliseconds until the second piece


async def test_the_load_ends_with_what_the_server_said_if_it_refuses() -> None:
    async with server(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n") as port:
        with pytest.raises(RuntimeError, match="500 Oh"):
            await asyncio.to_thread(load, port, [REQUEST], 1, 0.1)


async def test_an_overload_counts_each_answer_and_those_that_do_not_say_when_to_ask_again() -> None:
    async with server(b"HTTP/1.1 503 Later\r\nRetry-After: 1\r\ncontent-length: 2\r\n\r\n", b"no") as port:
        told = await asyncio.to_thread(flood, port, [REQUEST], 200, 0.2, 4)
    async with server(b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n") as port:
        mute = await asyncio.to_thread(flood, port, [REQUEST], 200, 0.2, 4)
    assert told.statuses[503] == told.sent == len(told.refused) > 0
    assert told.mute == 0
    assert mute.mute == mute.sent > 0


async def test_requests_that_find_no_free_connection_are_counted() -> None:
    async with server(OK[:-3], OK[-3:]) as port:
        found = await asyncio.to_thread(flood, port, [REQUEST], 5_000, 0.2, 1)
    assert found.statuses[200] == found.sent > 0
    assert found.unsent > found.sent
