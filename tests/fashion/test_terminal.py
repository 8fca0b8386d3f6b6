from fashion.terminal import text_table


def test_a_table_with_a_total():
    rows = [["bag", "7"], ["footwear", "12"], ["total", "19"]]
    assert text_table(["class", "count"], rows).splitlines() == [
        "class     count",
        "--------  -----",
        "bag           7",
        "footwear     12",
        "--------  -----",
        "total        19",
    ]


def test_a_table_without_rows():
    assert text_table(["a", "b"], []) == "a  b\n-  -"
