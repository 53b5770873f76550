"""Charts are well-formed SVG that shows every series, and tables hold every key."""

from xml.etree import ElementTree

import pytest

from benchmarks.charts import Axis, bar_chart, line_chart, markdown_table

NAMESPACE = "{http://www.w3.org/2000/svg}"
LINES = {"ours & others": [(0.05, 18.5), (0.1, 4.6), (0.25, 1.0)], "PSI > 0.1": [(0.25, 8.0), (0.5, 1.0)]}


def drawn(svg: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(NAMESPACE + tag))  # noqa: S314 (our own)


def words(svg: str) -> list[str | None]:
    return [text.text for text in drawn(svg, "text")]


def places(svg: str, colour: str) -> list[tuple[float, float]]:
    dots = [dot for dot in drawn(svg, "circle") if dot.get("fill") == colour]
    return [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in dots][:3]


def test_a_line_chart_names_title_axes_and_every_series() -> None:
    svg = line_chart(LINES, "Delay <windows>", Axis("shift in sd", log=True), Axis("windows", log=True))
    assert {"Delay <windows>", "shift in sd", "windows", *LINES} <= {*words(svg)}
    assert len([path for path in drawn(svg, "path") if path.get("class") == "line"]) == 2 * len(LINES)


def test_on_a_log_axis_equal_ratios_are_equally_far_and_larger_is_further_right_and_higher() -> None:
    svg = line_chart({"a": [(1, 1), (10, 10), (100, 100)]}, "t", Axis("x", log=True), Axis("y", log=True))
    (x1, y1), (x2, y2), (x3, y3) = places(svg, "#0072b2")
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert x1 < x2 < x3
    assert y1 > y2 > y3


def test_on_a_plain_axis_equal_differences_are_equally_far() -> None:
    svg = line_chart({"a": [(0, 0), (5, 1), (10, 4)]}, "t", Axis("x"), Axis("y"))
    (x1, y1), (x2, y2), (x3, y3) = places(svg, "#0072b2")
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y2 - y3 == pytest.approx(3 * (y1 - y2), abs=0.3)
    assert {"0", "2", "4", "6", "8", "10"} <= {*words(svg)}


def test_a_chart_of_one_point_and_a_series_without_points_can_be_drawn() -> None:
    svg = line_chart({"a": [(1, 2)], "none": []}, "t", Axis("x"), Axis("y", log=True))
    assert {"a", "none"} <= {*words(svg)}


def test_more_series_than_colours_differ_by_their_dashes() -> None:
    svg = line_chart({str(n): [(n, n + 1), (n + 1, n)] for n in range(12)}, "t", Axis("x"), Axis("y"))
    looks = {(path.get("stroke"), path.get("stroke-dasharray")) for path in drawn(svg, "path") if path.get("stroke")}
    assert len(looks) == 12


def test_a_value_without_a_place_on_a_log_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="windows: 0 has no place"):
        line_chart({"a": [(1, 0), (2, 1)]}, "t", Axis("x"), Axis("windows", log=True))


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        line_chart({"a": []}, "t", Axis("x"), Axis("y"))
    with pytest.raises(ValueError, match="above 0"):
        bar_chart({"a": 0}, "t", Axis("x"))


def test_bars_are_as_long_as_their_values_and_say_them() -> None:
    svg = bar_chart({"a": 50, "b": 100, "c": 0}, "t", Axis("per 1,000"))
    half, whole, none = (float(box.get("width", "")) for box in drawn(svg, "rect"))
    assert half == pytest.approx(whole / 2, abs=0.1)
    assert none == 0
    assert {"a", "b", "c", "50", "100", "0", "per 1,000"} <= {*words(svg)}


def test_on_a_log_scale_a_bar_of_0_has_no_length_and_still_its_word() -> None:
    svg = bar_chart({"a": 0.5, "b": 1_000, "c": 0}, "t", Axis("x", log=True))
    small, large, none = (float(box.get("width", "")) for box in drawn(svg, "rect"))
    assert large > small > none == 0
    assert {"0.5", "1,000", "0"} <= {*words(svg)}


def test_a_table_has_all_keys_in_the_order_in_which_they_come() -> None:
    table = markdown_table([{"case": "a|b", "x": 1}, {"case": "c", "y": "never"}])
    assert table == "| case | x | y |\n| --- | --- | --- |\n| a\\|b | 1 |  |\n| c |  | never |"
