"""What is said of the labels before a training."""

from fashion.dataset import FashionDataset
from fashion.labels import SEASON_TABLE
from fashion.stages.training_labels import count_labels, describe_labels
from tests.fashion.factories import dataset_folder, entry, region


def dataset(root, subset, **counts):
    """A data set with so many instances of each label, in one image each label."""
    entries = [
        entry(f"{number}.jpg", [region(label=label)] * count)
        for number, (label, count) in enumerate(counts.items())
    ]
    return FashionDataset().load(dataset_folder(root, entries, subset), subset, SEASON_TABLE)


def test_counts_and_warnings(tmp_path):
    train = dataset(tmp_path, "train", bag_yaz=40, top_yaz=29, dress_kis=3, hat=1)
    val = dataset(tmp_path, "val", bag_yaz=5, top_yaz=4)
    assert count_labels(train, SEASON_TABLE) == {"bag_yaz": 40, "top_yaz": 29}
    text = describe_labels(train, val, SEASON_TABLE)
    few, unchecked, other = text.splitlines()[-3:]
    assert "top_yaz (29)" in few and "skirt_ilkb (0)" in few and "bag_yaz" not in few
    assert unchecked.endswith(": top_yaz.")
    assert other.endswith(": dress_kis (3 regions), hat (1 region)")
    assert [line.split() for line in text.splitlines() if line.startswith("bag_yaz")] == [
        ["bag_yaz", "40", "5"]
    ]


def test_enough_of_everything(tmp_path):
    counts = dict.fromkeys(SEASON_TABLE.names, 30)
    train, val = (dataset(tmp_path, subset, **counts) for subset in ("train", "val"))
    text = describe_labels(train, val, SEASON_TABLE)
    assert "warning" not in text and "left out" not in text


def test_a_label_is_counted_whatever_it_says(tmp_path):
    """Labels that read like the sentences about them."""
    odd = 'x" is not in the class table'
    train = dataset(tmp_path, "train", bag_yaz=1, **{odd: 2})
    last = describe_labels(train, train, SEASON_TABLE).splitlines()[-1]
    assert last == f"left out, not among the labels: {odd} (2 regions)"
