import numpy as np

from shared.reference.levels import LevelCounter


def test_codes_fall_in_their_level_in_the_last_bin_or_in_missing() -> None:
    count = LevelCounter([(2, 0), ()])
    codes = [[-2, -2], [-1, -1], [0, 0], [1, 1], [2, 2], [3, 3], [2_000_000_000, 5], [-9, -9]]
    counts, unseen = count(np.array(codes, dtype=np.int32))
    np.testing.assert_array_equal(counts[0, :5], [2, 1, 1, 4, 0])
    np.testing.assert_array_equal(counts[1, :5], [2, 6, 0, 0, 0])
    assert counts.sum() == 16
    np.testing.assert_array_equal(unseen, [1, 1])
