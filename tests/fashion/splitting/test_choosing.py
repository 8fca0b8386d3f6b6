import json

import numpy as np
import pytest

from fashion.splitting import choosing
from mrcnn.errors import DatasetError
from tests.support import shared

RATIOS = choosing.DEFAULT_RATIOS


@pytest.mark.parametrize(
    ("text", "ratios"),
    [
        ("80/10/10", (0.8, 0.1, 0.1)),
        ("8,1,1", (0.8, 0.1, 0.1)),
        (".7 .15 .15", (0.7, 0.15, 0.15)),
        # no test images
        ("90/10", (0.9, 0.1, 0.0)),
        ("3:0:1", (0.75, 0.0, 0.25)),
    ],
)
def test_ratios(text, ratios):
    assert choosing.parse_ratios(text) == pytest.approx(ratios)


@pytest.mark.parametrize("text", ["", "80", "a/b/c", "80/10/5/5", "80/-10/30", "nan/1", "inf/1/1"])
def test_no_ratios(text):
    with pytest.raises(DatasetError, match="malformed ratios"):
        choosing.parse_ratios(text)


def test_training_needs_a_share():
    with pytest.raises(DatasetError, match="leave nothing to train on"):
        choosing.parse_ratios("0/50/50")


@pytest.mark.parametrize(
    ("count", "ratios", "sizes"),
    [
        (1000, RATIOS, [800, 100, 100]),
        (1073, RATIOS, [859, 107, 107]),
        # each subset gets one where there are enough
        (3, RATIOS, [1, 1, 1]),
        (4, RATIOS, [2, 1, 1]),
        # where there are not, training comes first
        (1, RATIOS, [1, 0, 0]),
        (0, RATIOS, [0, 0, 0]),
        # nobody asked for a test set
        (5, (0.9, 0.1, 0.0), [4, 1, 0]),
    ],
)
def test_subset_sizes(count, ratios, sizes):
    assert choosing.subset_sizes(count, ratios) == sizes


def modanet_counts():
    data = json.loads(shared("modanet", "instances_val.json").read_text())
    rows = {image["id"]: row for row, image in enumerate(data["images"])}
    counts = np.zeros((len(rows), 13), dtype=int)
    for annotation in data["annotations"]:
        counts[rows[annotation["image_id"]], annotation["category_id"] - 1] += 1
    return counts


@pytest.mark.parametrize("seed", range(3))
def test_modanets_classes_keep_their_shares(seed):
    counts = modanet_counts()
    assigned = choosing.stratify(counts, np.ones(len(counts)), RATIOS, seed)
    assert np.bincount(assigned).tolist() == [859, 107, 107]
    assert np.abs(choosing.share_deviations(counts, assigned)).max() < 0.2


def test_groups_stay_whole_and_in_proportion():
    counts = modanet_counts()
    sizes = np.random.default_rng(0).integers(1, 5, 400)
    starts = np.concatenate([[0], sizes.cumsum()[:-1]])
    counts = np.add.reduceat(counts[: sizes.sum()], starts)
    assigned = choosing.stratify(counts, sizes, RATIOS)
    images = np.bincount(assigned, weights=sizes)
    assert np.abs(images - np.array(RATIOS) * sizes.sum()).max() <= 2
    assert np.abs(choosing.share_deviations(counts, assigned)).max() < 1


def test_the_seed_decides():
    counts = np.random.default_rng(1).poisson(0.5, (200, 6))
    splits = [choosing.stratify(counts, np.ones(200), RATIOS, seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(splits[0], splits[1])
    assert (splits[0] != splits[2]).any()


@pytest.mark.parametrize(
    ("counts", "sizes", "expected"),
    [
        # nothing at all
        (np.zeros((0, 3)), [], [0, 0, 0]),
        # no class: only the numbers of images count
        (np.zeros((10, 0)), [1] * 10, [8, 1, 1]),
        (np.zeros((10, 2)), [1] * 10, [8, 1, 1]),
        # a group larger than any small subset goes to training
        (np.ones((5, 1)), [6, 1, 1, 1, 1], [8, 1, 1]),
    ],
)
def test_odd_cases(counts, sizes, expected):
    sizes = np.array(sizes, dtype=int)
    assigned = choosing.stratify(np.asarray(counts, int), sizes, RATIOS)
    assert np.bincount(assigned, weights=sizes, minlength=3).tolist() == expected


def test_deviation_of_a_subset_without_instances():
    deviations = choosing.share_deviations(np.array([[1, 1], [2, 0]]), np.array([0, 0]), 2)
    np.testing.assert_allclose(deviations[0], [0, 0], atol=1e-12)
    assert np.isnan(deviations[1]).all()


def test_lists_in_text_files(tmp_path):
    (tmp_path / "train.txt").write_text("a.jpg\n\n# taken by hand\n b.jpg \n")
    (tmp_path / "test.txt").write_text("\ufeffc.jpg\r\n")
    assert choosing.read_lists(tmp_path) == {"train": ["a.jpg", "b.jpg"], "test": ["c.jpg"]}


@pytest.mark.parametrize(
    "data",
    [
        {"train": ["a.jpg", 377], "test": ["c"]},
        # the record of an earlier split
        {"subsets": {"train": ["a.jpg", 377], "val": [], "test": ["c"]}, "files": {}},
    ],
)
def test_lists_in_json(tmp_path, data):
    (tmp_path / "split.json").write_text(json.dumps(data))
    expected = {"train": ["a.jpg", "377"], "val": [], "test": ["c"]}
    assert choosing.read_lists(tmp_path / "split.json") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "is not a split list"),
        ('{"train": "a.jpg"}', '"train" must be a list'),
        ('{"train": []}', "name no image"),
        ('{"train": ["a"], "val": ["a"]}', "it has a in both train and val; choose one"),
    ],
)
def test_lists_that_are_none(tmp_path, content, message):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DatasetError, match=message):
        choosing.read_lists(tmp_path / "split.json")


def test_a_folder_without_lists(tmp_path):
    with pytest.raises(DatasetError, match=r"no split list.* train\.txt, val\.txt and test\.txt"):
        choosing.read_lists(tmp_path)


def test_names_in_lists_may_be_short():
    names = ["a/0000377.jpg", "b/x.png", "c/x.png"]
    lists = {"train": ["377", "c/x.png"], "test": ["x", "gone.jpg"]}
    matched, unknown = choosing.match_lists(lists, names)
    assert matched == {"a/0000377.jpg": "train", "c/x.png": "train"}
    assert unknown == ["x", "gone.jpg"]  # x may be either


def test_one_image_under_two_names_in_two_lists():
    with pytest.raises(DatasetError, match=r"have 01\.jpg in both train and val"):
        choosing.match_lists({"train": ["01.jpg"], "val": ["1"]}, ["01.jpg"])
