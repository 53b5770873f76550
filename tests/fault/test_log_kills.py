"""feature_logging dies at random moments, and within a commit, a compaction, a checkpoint and a cleaning."""

from pathlib import Path

from tests.fault.dying_log import STEPS
from tests.fault.log_kills import Load, killed
from tests.fault.steady import FULL

KILLS = 200 if FULL else 2
KILLS_OF_EACH_STEP = 50 if FULL else 1


async def test_killed_again_and_again_and_with_broken_tables_it_loses_no_row_and_doubles_none(tmp_path: Path) -> None:
    tally = await killed(tmp_path, Load(KILLS, steps=tuple(STEPS) * KILLS_OF_EACH_STEP, damage=True))
    print(tally.told())
    assert tally.kills == KILLS + len(STEPS) * KILLS_OF_EACH_STEP
    assert tally.sent > 1_000
    assert (tally.lost, tally.duplicates) == (0, 0)
