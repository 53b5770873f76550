import pytest

from services.governance.page.cards import Figure


@pytest.mark.parametrize(
    ("name", "champion", "challenger", "better"),
    [
        ("log_loss", 0.52, 0.47, True),
        ("log_loss", 0.47, 0.52, False),
        ("auc", 0.64, 0.67, True),
        ("auc", 0.67, 0.64, False),
        ("brier", 0.2, 0.2, None),
        ("brier", None, 0.2, None),
    ],
)
def test_a_lower_figure_is_better_but_of_auc_a_higher_one(
    name: str, champion: float | None, challenger: float | None, better: bool | None
) -> None:
    assert Figure(name, champion, challenger).better is better
