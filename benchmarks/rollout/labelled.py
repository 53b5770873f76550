"""Losses of a canary and a shadow as labels tell them, of which a tenth is wrong at first and mended."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from benchmarks.performance_estimate.models import Float64, Model, batch_of, scorer
from benchmarks.rows import Row
from services.drift_detection.domain.performance.outcomes import Scorer, WindowOutcomes
from services.drift_detection.domain.rollout.band import ALPHA, bands
from services.drift_detection.domain.rollout.dispersion import dispersion
from services.drift_detection.domain.rollout.evidence import Design, Evidence
from services.drift_detection.domain.rollout.sums import PLACE, Sums
from shared.features import Float32

Beside = Literal["shadow", "canary"]
ROWS, WRONG = 100, 0.1  # of a pane; the share of labels that is mended
MOST_STREAMS = 40
LUCK = 0.5  # deviation of what each version adds to the log odds, of both alike
HARM = {0.0: None, 1.0: {"shadow": 2_000, "canary": 3_500}}  # what the version adds more: rows until that is sure


class Answers(NamedTuple):
    """Of n rows a version's scores float32 [n, 1], the labels float64 [n] and, of a shadow, the champion's scores."""

    role: Literal["champion", "shadow", "canary"]
    scores: Float32
    labels: Float64
    beside: Float32 | None = None


def rows(streams: int, panes: int) -> Iterator[Row]:
    """Versions that are alike, and one that is worse."""
    known = scorer(Model("binary"), np.random.default_rng(8))
    kinds: tuple[Beside, ...] = ("shadow", "canary")
    for kind in kinds:
        for harm, goals in HARM.items():
            sure = [
                _sure(known, kind, harm, np.random.default_rng([seed, 9]), panes)
                for seed in range(min(streams, MOST_STREAMS))
            ]
            yield _alike(kind, sure) if goals is None else _worse(kind, sure, goals[kind])


def _alike(kind: Beside, sure: list[float]) -> Row:
    wrong = sum(found < math.inf for found in sure) / len(sure)
    case = f"loss by labels, {kind} as good as the champion: ever said to be worse"
    return Row(case, f"{wrong:.3f} of {len(sure)} streams", f"<= {ALPHA}", wrong <= ALPHA)


def _worse(kind: Beside, sure: list[float], goal: int) -> Row:
    middle, found = float(np.median(sure)), float(np.isfinite(sure).mean())
    case = f"loss by labels, {kind} of more noise: labelled rows of it until harm is sure, median"
    return Row(case, f"{middle:.0f}, {found:.1%} found", f"<= {goal}, all found", middle <= goal and found == 1)


def _sure(known: Scorer, kind: Beside, harm: float, random: np.random.Generator, panes: int) -> float:
    """After how many labelled rows of the version its loss is surely more than the champion's; infinite: never."""
    evidence, plan, place = Evidence.nothing(), Design.of(kind), PLACE["loss"]
    for _ in range(panes):
        evidence = evidence.after(*_pane(known, kind, harm, random), plan)
        spread = dispersion(evidence)
        if spread.assessed[place] and bands(evidence, spread.factor, plan).lower[place] > 0:
            return float(evidence.seen[0][place])
    return math.inf


def _pane(known: Scorer, kind: Beside, harm: float, random: np.random.Generator) -> tuple[Sums, Sums]:
    scores, labels = Model("binary").rows(ROWS, random)
    champion, version = _noisy(scores, LUCK, random), _noisy(scores, LUCK + harm, random)
    if kind == "shadow":
        return _sums(known, Answers(kind, version, labels, champion), random), Sums.empty()
    half = ROWS // 2
    mine = Answers(kind, version[:half], labels[:half])
    return _sums(known, mine, random), _sums(known, Answers("champion", champion[half:], labels[half:]), random)


def _noisy(scores: Float32, noise: float, random: np.random.Generator) -> Float32:
    odds = np.log(scores / (1 - scores)) + random.normal(0, noise, scores.shape)
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def _sums(known: Scorer, answers: Answers, random: np.random.Generator) -> Sums:
    count = len(answers.labels)
    keys, wrong = [random.bytes(16) for _ in range(count)], random.random(count) < WRONG
    told = np.where(wrong, 1 - answers.labels, answers.labels)
    batch = batch_of(answers.scores, told)
    meta = replace(batch.meta, role=answers.role)
    first = replace(batch, meta=meta, request_id=keys, champion_scores=answers.beside)
    window = WindowOutcomes()
    known.add(window, first, np.ones(count, np.bool_))
    known.add(window, replace(first, label=answers.labels, replaced=told), wrong)
    return window.losses.as_sums()
