"""What a finding's picture becomes for charts and tables."""

from __future__ import annotations

from training.preferences import pictures


def test_the_last_bin_of_a_histogram_is_as_wide_as_the_others() -> None:
    """Three bins of 50 end at 150: four edges, the last at the height of the last bin."""
    picture = {"kind": "histogram", "x": "tokens", "width": 50, "series": {"chosen": [4, 0, 2], "rejected": [0, 0, 0]}}
    chart = pictures.histogram_chart(picture)
    assert chart["series"] == [{"label": "chosen", "x": [0, 50, 100, 150], "y": [4, 0, 2, 2], "steps": True}]


def test_a_column_of_numbers_is_told_from_words_and_large_numbers_are_grouped() -> None:
    picture = {"kind": "table", "columns": ["Evaluation", "Rows"], "rows": [["Ours", 1234], ["Others", 5]]}
    [table] = pictures.drawn(picture)
    assert [(column["name"], column["is_number"]) for column in table["columns"]] == [
        ("Evaluation", False),
        ("Rows", True),
    ]
    assert [[cell["text"] for cell in row["cells"]] for row in table["rows"]] == [["Ours", "1,234"], ["Others", "5"]]
