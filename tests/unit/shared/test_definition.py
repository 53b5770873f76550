from datetime import timedelta
from pathlib import Path

import pytest

from shared.definition import parse_definition, read_definition
from shared.errors import InvalidInput
from shared.feature_log.columns import RESERVED
from shared.rollout import Rollout

GOOD = """
name = "flights"
owner = "ops"
{top}
[label]
name = "late"
kind = "binary"
expected_delay_hours = {delay}
{sections}
[[features]]
name = "{name}"
kind = "{kind}"
{feature}
"""


def text(**changed: str) -> str:
    """A definition's TOML with parts replaced."""
    parts = {"top": "", "delay": "6.5", "sections": "", "name": "temp", "kind": "numeric", "feature": ""}
    return GOOD.format(**(parts | changed))


def refusal(toml: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        parse_definition(toml)
    return raised.value


def test_a_short_definition_gets_the_defaults() -> None:
    definition = parse_definition(text())
    assert definition.numeric == ("temp",)
    assert definition.categorical == ()
    assert definition.label_delay == timedelta(hours=6.5)
    assert definition.approvals.count == 2
    assert definition.monitoring.panes_per_period == 30 * 86_400 / 60


def test_a_tolerance_that_is_not_said_leaves_the_digest_as_it_was_before_there_was_one() -> None:
    known = parse_definition(text())
    assert "risk_tolerance" not in known.model_dump(mode="json")["monitoring"]
    told = parse_definition(text() + "\n[monitoring]\nrisk_tolerance = 0.1\n")
    assert told.monitoring.risk_tolerance == 0.1
    assert told.digest != known.digest


def test_the_digest_is_of_the_content_and_not_of_its_layout() -> None:
    known = parse_definition(text())
    assert known.digest == parse_definition("# a comment\n" + text(top='description = ""')).digest
    assert known.digest != parse_definition(text(top='description = "other"')).digest
    assert len(known.digest) == 64


def test_a_definition_that_says_nothing_of_rollouts_has_the_digest_it_had_before_there_were_any() -> None:
    definition = parse_definition(text())
    assert definition.digest == "0a9267c2abde51967c014528594b40cec0d3c90cc1549000f486ed35dfe013b5"
    said = parse_definition(text(sections="[rollout]\nmin_rows = 500"))
    assert said.rollout == Rollout()
    assert said.digest != definition.digest


def test_what_is_sensitive_is_of_the_digest_and_definitions_that_do_not_say_keep_theirs() -> None:
    known = parse_definition(text())
    assert known.kept_as("hash", "encrypt", "leave_out") == ()
    assert "sensitive" not in known.model_dump_json()
    entity = parse_definition(text(top="entity_sensitive = true"))
    feature = parse_definition(text(feature='sensitive = "encrypt"'))
    assert feature.kept_as("encrypt") == ("temp",)
    assert len({known.digest, entity.digest, feature.digest}) == 3


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"top": "colour = 1"}, "colour"),
        ({"top": 'description = "\\u0000" \n serving = 1'}, "serving"),
        ({"name": "Temp"}, "features.0.name"),
        ({"name": "../x"}, "features.0.name"),
        ({"kind": "text"}, "features.0.kind"),
        ({"feature": 'min = "3"'}, "features.0.min"),
        ({"feature": "min = true"}, "features.0.min"),
        ({"feature": "min = nan"}, "features.0.min"),
        ({"feature": "max = inf"}, "features.0.max"),
        ({"feature": "min = 2\nmax = 1"}, "features.0"),
        ({"feature": 'categories = ["a"]'}, "features.0"),
        ({"kind": "categorical", "feature": "min = 1"}, "features.0"),
        ({"kind": "categorical", "feature": "max = 1"}, "features.0"),
        ({"feature": '[[features]]\nname = "temp"\nkind = "categorical"'}, "features"),
        ({"delay": "-1"}, "label.expected_delay_hours"),
        ({"delay": "inf"}, "label.expected_delay_hours"),
        ({"delay": "1e300"}, "label.expected_delay_hours"),
        ({"sections": "[monitoring]\npane_seconds = 7"}, "monitoring"),
        ({"sections": "[monitoring]\npane_seconds = 0"}, "monitoring.pane_seconds"),
        ({"sections": "[monitoring]\npane_seconds = 60.5"}, "monitoring.pane_seconds"),
        ({"sections": '[monitoring]\npane_seconds = "60"'}, "monitoring.pane_seconds"),
        ({"sections": "[monitoring]\npane_seconds = 2013-03-15"}, "monitoring.pane_seconds"),
        ({"sections": '[monitoring]\ntime_zone = "Mars/Olympus"'}, "monitoring.time_zone"),
        ({"sections": '[monitoring]\ntime_zone = "America"'}, "monitoring.time_zone"),
        ({"sections": '[monitoring]\ntime_zone = "/etc/passwd"'}, "monitoring.time_zone"),
        ({"sections": "[retraining]\nwait_days = 1e9"}, "retraining.wait_days"),
        ({"sections": '[training]\nfunction = "os.system"'}, "training.function"),
        (
            {"sections": '[training]\nfunction = "a:b"\nhyperparameters = { depth = nan }'},
            "training.hyperparameters.depth.int",
        ),
        ({"sections": "[approvals]\ncount = 1"}, "approvals.count"),
        ({"sections": "[rollout]\nmin_rows = 0"}, "rollout.min_rows"),
        ({"sections": "[rollout]\nmargins = { speed = 1.0 }"}, "rollout.margins.speed.[key]"),
        ({"sections": "[rollout]\nmargins = { error = -0.1 }"}, "rollout"),
        ({"sections": "[rollout]\nmargins = {}"}, "rollout.margins"),
        ({"sections": '[rollout]\nbetter_in = "loss"'}, "rollout"),
        ({"sections": '[rollout]\nbetter_in = "score"\nmargins = { score = 0.1 }'}, "rollout"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, str], field: str) -> None:
    assert refusal(text(**changed)).field == field


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_feature_may_not_have_the_name_of_the_feature_logs_own_column(name: str) -> None:
    assert name in refusal(text(name=name)).expected


@pytest.mark.parametrize("name", ["risk", "score_0", "score_17"])
def test_a_feature_may_not_have_the_name_of_the_models_own_risk_or_scores(name: str) -> None:
    assert refusal(text(name=name)).expected.startswith(f"{name} is what the model's own")


@pytest.mark.parametrize("toml", ["", "name = ", "x = " + "[" * 9_999, "x = " + "9" * 5_000, "x = 2013-02-30", "\0"])
def test_what_is_no_definition_at_all_is_refused(toml: str) -> None:
    assert refusal(toml).field


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_definition(path)
    with pytest.raises(FileNotFoundError):
        read_definition(tmp_path / "none.toml")


def test_the_worked_example_is_sound() -> None:
    path = Path(__file__).parents[3] / "models" / "flight_delays" / "model.toml"
    assert read_definition(path).name == "flight_delays"


def test_scales_are_merged_from_panes_that_fill_them() -> None:
    assert parse_definition(text()).monitoring.coarser == (300, 3_600, 86_400)
    told = parse_definition(text(top="monitoring = { pane_seconds = 600, scales = [86400, 900, 1800, 600] }"))
    assert told.monitoring.coarser == (1_800, 86_400)


def test_definitions_that_do_not_say_how_they_are_watched_keep_their_digest() -> None:
    plain = parse_definition(text())
    assert not {"segments", "scales", "every_rows"} & set(plain.model_dump()["monitoring"])
    said = parse_definition(text(top="monitoring = { scales = [300, 3600, 86400], every_rows = 0 }"))
    assert said.digest == plain.digest
    assert parse_definition(text(top="monitoring = { every_rows = 5 }")).digest != plain.digest


@pytest.mark.parametrize(
    ("monitoring", "field"),
    [
        ("scales = [7]", "monitoring"),
        ("scales = [0]", "monitoring"),
        ("scales = [300, 300]", "monitoring.scales"),
        ("every_rows = -1", "monitoring.every_rows"),
        ('segments = ["temp"]', "model.toml"),
        ('segments = ["nothing"]', "model.toml"),
    ],
)
def test_what_can_not_be_watched_is_refused_by_its_field(monitoring: str, field: str) -> None:
    error = refusal(text(top=f"monitoring = {{ {monitoring} }}"))
    assert error.field == field
    assert monitoring.split(maxsplit=1)[0] in str(error)
