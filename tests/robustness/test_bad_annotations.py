"""Annotation files, class tables and split lists that may hold anything at all.

Whatever stands in them, reading gives a value, problems that are counted, or one sentence.
"""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion.annotations import coco, coco_reading, coco_writing, via
from fashion.annotations.instances import image_instances
from fashion.annotations.locating import read_annotations
from fashion.annotations.via_shapes import ShapeError, outline
from fashion.data_quality.counting import collect
from fashion.dataset import FashionDataset
from fashion.evaluation.results import Numbering, read_results
from fashion.json_files import read_json, write_json
from fashion.labels import MODANET_TABLE, ClassTable
from fashion.polygons.filling import polygons_to_crop, polygons_to_mask, rle_to_mask, run_lengths_of
from fashion.polygons.run_lengths import RunLengthError
from fashion.review.decisions import read_decisions
from fashion.splitting.annotations import read_source
from fashion.splitting.choosing import match_lists, read_lists
from fashion.splitting.record import SplitFolder
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, dataset_folder, entry, region
from tests.robustness.hostile import (
    damaged,
    entries,
    junk,
    leaves,
    mostly,
    numbers,
    quick,
    texts,
    thorough,
    value_or_sentence,
)

# Some of the code that is driven here warns of odd numbers; a warning is a failure, too.
pytestmark = [
    pytest.mark.filterwarnings("error"),
    # pycocotools of 2025 with NumPy 2, whatever the input
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

# --- strategies -----------------------------------------------------------------------------

names = st.one_of(st.sampled_from(["a.jpg", "b.png", "x/c.jpg"]), texts)
coordinates = st.one_of(st.floats(-60, 60), st.integers(-5, 45), numbers)
coordinate_lists = st.lists(mostly(coordinates), max_size=8)
shapes = st.one_of(
    entries(
        {
            "name": st.sampled_from(["polygon", "polyline"]),
            "all_points_x": coordinate_lists,
            "all_points_y": coordinate_lists,
        }
    ),
    st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=8).map(
        lambda points: {
            "name": "polygon",
            "all_points_x": [x for x, _ in points],
            "all_points_y": [y for _, y in points],
        }
    ),
    entries({"name": st.just("rect")} | dict.fromkeys(("x", "y", "width", "height"), coordinates)),
    entries(
        {"name": st.sampled_from(["circle", "ellipse"])}
        | dict.fromkeys(("cx", "cy", "r", "rx", "ry", "theta"), coordinates)
    ),
)
attributes = entries(
    {"label": st.sampled_from(["bag", "boots", "top", "kaftan", ""])},
    {
        "fashion": st.one_of(leaves, st.sampled_from(["1", "50", 3])),
        "instance": leaves,
        "hole": leaves,
        "score": leaves,
        "iscrowd": leaves,
        "coco": st.one_of(
            texts,
            st.dictionaries(
                st.sampled_from(
                    ["id", "file_name", "width", "height", "category", "bbox", "area",
                     "segmentation", "outlines", "attributes", "image_id"]
                ),
                junk,
                max_size=4,
            ).map(json.dumps),
        ),
    },
)  # fmt: skip
regions = entries({"shape_attributes": shapes, "region_attributes": attributes})
region_lists = st.one_of(
    st.lists(mostly(regions), max_size=4), st.dictionaries(texts, mostly(regions), max_size=3)
)
sizes = entries({}, dict.fromkeys(("width", "height", "widht", "heigth", "coco"), numbers))
via_entries = entries(
    {"filename": names, "regions": region_lists, "size": leaves, "file_attributes": sizes}
)
via_files = st.one_of(
    st.dictionaries(texts, mostly(via_entries), max_size=3),
    entries({"_via_img_metadata": st.dictionaries(texts, via_entries, max_size=2)}),
)

ids = st.one_of(st.integers(1, 3), leaves)
run_lengths = entries(
    {
        "size": st.one_of(st.just([30, 40]), st.lists(numbers, max_size=3)),
        "counts": st.one_of(
            st.just([600, 600]),
            st.just("PPYo0"),
            st.lists(st.one_of(st.integers(0, 1200), leaves), max_size=6),
            st.text(alphabet=[chr(c) for c in range(48, 112)], max_size=30),
            texts,
        ),
    }
)
segmentations = st.one_of(
    st.lists(st.lists(coordinates, max_size=10), max_size=3), run_lengths, run_lengths
)
annotations = entries(
    {
        "id": ids,
        "image_id": st.one_of(st.integers(1, 2), ids),
        "category_id": st.one_of(st.integers(1, 2), ids),
        "segmentation": segmentations,
    },
    {"bbox": st.lists(coordinates, max_size=5), "iscrowd": leaves, "area": leaves}
    | {"score": leaves, "attributes": junk},
)
coco_images = entries(
    {"id": ids, "file_name": names},
    {"width": st.one_of(st.just(40), numbers), "height": st.one_of(st.just(30), numbers)}
    | {"attributes": junk},
)
good_coco_images = st.just([{"id": i, "file_name": f"{i}.jpg"} for i in (1, 2)])
good_categories = st.just([{"id": 1, "name": "bag"}, {"id": 2, "name": "kaftan"}])
coco_files = entries(
    {
        "images": st.one_of(good_coco_images, st.lists(mostly(coco_images), max_size=3)),
        "annotations": st.lists(mostly(annotations), max_size=4),
        "categories": st.one_of(
            good_categories, st.lists(mostly(entries({"id": ids, "name": texts})), max_size=3)
        ),
    }
)
class_rows = st.one_of(
    texts,
    entries({"name": texts}, {"id": leaves, "code": leaves, "colour": junk, "aliases": junk}),
    st.fixed_dictionaries(
        {"name": st.text(max_size=3), "colour": st.lists(numbers, min_size=3, max_size=3)}
    ),
)
class_tables = st.one_of(
    st.lists(mostly(class_rows), max_size=4), entries({"name": texts, "classes": junk}), junk
)
split_lists = st.one_of(
    entries({subset: st.lists(st.one_of(names, leaves), max_size=3) for subset in
             ("train", "val", "test")}),
    entries({"subsets": entries({"train": st.lists(names, max_size=3)})}),
    junk,
)  # fmt: skip


# --- what must hold -------------------------------------------------------------------------


def as_a_file_has_it(data):
    """`data` after JSON, which knows no tuples and gives keys as texts."""
    return json.loads(json.dumps(data))


def check_via(data) -> None:
    read = value_or_sentence(via.from_json, as_a_file_has_it(data))
    if read is None:
        return
    good = sum(len(image.regions) for image in read)
    bad = [problem for problem in read.problems if problem.region is not None]
    assert good + len(bad) == read.region_count
    for image in read:
        assert (image.width or 1) * (image.height or 1) < 10**8
        instances, _ = image_instances(image, MODANET_TABLE)
        for instance in instances:
            mask = polygons_to_mask(instance.parts, instance.holes, 30, 40)
            assert mask.shape == (30, 40)
    again = via.from_json(as_a_file_has_it(via.to_json(read)))
    assert sum(len(image.regions) for image in again) == good
    converted = value_or_sentence(coco_writing.from_via, read, MODANET_TABLE)
    if converted is not None:
        coco.check(converted.data)
    value_or_sentence(collect_statistics, read)


def collect_statistics(read):
    return collect([("train", read, None)], MODANET_TABLE)


def check_coco(data) -> None:
    data = as_a_file_has_it(data)
    conversion = value_or_sentence(coco_reading.to_via, data)
    if conversion is None:
        return
    assert len(conversion.annotations) == len(data["images"])
    lost = len(data["annotations"]) - conversion.instances
    assert lost <= len(conversion.problems)
    check_via(via.to_json(conversion.annotations))


def check_run_lengths(data) -> None:
    data = as_a_file_has_it(data)
    with contextlib.suppress(RunLengthError):
        assert run_lengths_of(data, 30, 40)["size"] == [30, 40]
    try:
        mask = rle_to_mask(data)
    except (ValueError, TypeError, KeyError, OverflowError):
        return
    assert mask.dtype == bool and mask.size < 10**8


def check_class_table(data, path) -> None:
    write_raw(path, data)
    table = value_or_sentence(ClassTable.from_file, path)
    if table is not None:
        write_json(path, table.to_json())
        assert ClassTable.from_file(path) == table
        for row in table:
            assert table.find(row.name) is row and all(0 <= v < 256 for v in row.colour)


def check_split_lists(data, path) -> None:
    write_raw(path, data)
    lists = value_or_sentence(read_lists, path)
    if lists:
        value_or_sentence(match_lists, lists, ["a.jpg", "x/c.jpg", "0001.jpg"])


def write_raw(path, data) -> None:
    path.write_text(json.dumps(data), encoding="utf-8")


@quick
@given(via_files)
def test_via(data):
    check_via(data)


@pytest.mark.slow
@thorough
@given(via_files)
def test_via_thousands(data):
    check_via(data)


@quick
@given(coco_files)
def test_coco(data):
    check_coco(data)


@pytest.mark.slow
@thorough
@given(coco_files)
def test_coco_thousands(data):
    check_coco(data)


@quick
@given(segmentations)
def test_run_lengths(data):
    check_run_lengths(data)


@pytest.mark.slow
@thorough
@given(segmentations)
def test_run_lengths_thousands(data):
    check_run_lengths(data)


@quick
@given(class_tables)
def test_class_tables(tmp_path_factory, data):
    check_class_table(data, tmp_path_factory.getbasetemp() / "classes.json")


@pytest.mark.slow
@thorough
@given(class_tables)
def test_class_tables_thousands(tmp_path_factory, data):
    check_class_table(data, tmp_path_factory.getbasetemp() / "classes.json")


@quick
@given(split_lists)
def test_split_lists(tmp_path_factory, data):
    check_split_lists(data, tmp_path_factory.getbasetemp() / "lists.json")


@pytest.mark.slow
@thorough
@given(split_lists)
def test_split_lists_thousands(tmp_path_factory, data):
    check_split_lists(data, tmp_path_factory.getbasetemp() / "lists.json")


@quick
@given(junk)
def test_other_files(tmp_path_factory, data):
    """Results of others, decisions, the record of a split: also any JSON at all."""
    folder = tmp_path_factory.getbasetemp()
    nothing = Numbering({}, {}, {}, {}, {})
    for wrapped in (data, [data], {"format": "label decisions", "images": data}, {"files": data}):
        write_raw(folder / "split.json", wrapped)
        value_or_sentence(read_results, folder / "split.json", nothing, [])
        value_or_sentence(read_decisions, folder / "split.json")
        value_or_sentence(read_source, folder / "split.json")
        value_or_sentence(SplitFolder, folder)


# --- bytes of a good file, damaged ----------------------------------------------------------

GOOD = {"1": entry("a.jpg", [region(), region(label="boots", instance="1")])}


def check_bytes(data: bytes, path) -> None:
    path.write_bytes(data)
    read = value_or_sentence(read_annotations, path)
    if read is not None:
        value_or_sentence(via.write, path, read)
    value_or_sentence(ClassTable.from_file, path)
    (path.parent / "train.txt").write_bytes(data)
    value_or_sentence(read_lists, path.parent)


@pytest.mark.parametrize("good", [GOOD, coco_data([{}])], ids=["via", "coco"])
def test_damaged_bytes(tmp_path, good):
    data = json.dumps(good).encode()
    for seed in range(150):
        check_bytes(damaged(data, seed), tmp_path / "a.json")


@pytest.mark.slow
@pytest.mark.parametrize("good", [GOOD, coco_data([{}])], ids=["via", "coco"])
def test_thousands_of_damaged_bytes(tmp_path, good):
    data = json.dumps(good).encode()
    for seed in range(5000):
        check_bytes(damaged(data, seed), tmp_path / "a.json")


# --- single cases, each of which once went wrong --------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": ' + "9" * 5000 + "}", "cannot be read"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
        ("{" * 5, "not valid JSON"),
        ("\0", "not valid JSON"),
    ],
)
def test_text_that_is_no_usable_json(tmp_path, text, sentence):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=sentence):
        read_json(path)


def test_a_device_is_not_read_for_ever():
    with pytest.raises(DatasetError, match="it is not a file"):
        read_json("/dev/zero")


def test_a_file_beyond_all_bounds_is_not_read(tmp_path):
    path = tmp_path / "a.json"
    with path.open("wb") as stream:
        stream.truncate(2 << 30)  # a hole: no byte on the disk
    with pytest.raises(DatasetError, match="2,147,483,648 bytes, more than the 1,073,741,824"):
        read_json(path)


def test_text_that_no_file_can_hold_is_not_written(tmp_path):
    with pytest.raises(DatasetError, match="UTF-8 cannot hold"):
        write_json(tmp_path / "a.json", {"name": "\udcff.jpg"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({"width": 10**400, "height": 30}, (None, 30)),
        ({"width": 10**15, "height": 10**15}, (None, None)),
        ({"width": 20_000, "height": 20_000}, (None, None)),
        ({"width": float("inf"), "height": float("nan")}, (None, None)),
        ({"width": 40, "height": 30}, (40, 30)),
    ],
)
def test_sizes_that_no_image_has_are_not_used(attributes, size):
    image = via.from_json({"a": {**entry(), "file_attributes": attributes}}).images[0]
    assert (image.width, image.height) == size


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"name": "circle", "cx": 0, "cy": 0, "r": 1e308}, "radius is greater than"),
        ({"name": "ellipse", "cx": 0, "cy": 0, "rx": 1e-300, "ry": 1e300}, "radius is greater"),
        ({"name": "rect", "x": -1e300, "y": 0, "width": 1, "height": 1}, "1,000,000,000 pixels"),
    ],
)
def test_shapes_beyond_all_pictures(shape, reason):
    with pytest.raises(ShapeError, match=reason):
        outline(shape)


def test_polygons_beyond_all_numbers_are_cut():
    far = 1e308
    half = [np.array([[-far, -far], [20, -far], [20, far], [-far, far]])]
    mask = polygons_to_mask(half, [], 30, 40)
    assert mask[:, :20].all() and not mask[:, 20:].any()


def test_an_outline_that_no_memory_holds_is_refused():
    huge = np.array([[0, 0], [1e9, 0], [1e9, 1e9], [0, 1e9]])
    with pytest.raises(DatasetError, match=r"covers 1000000000 x 1000000000 pixels"):
        polygons_to_crop([huge], [], 10**9, 10**9)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [10**6, 10**6], "counts": [10**12]},
        {"size": [10**5, 10**5], "counts": "PPYo0"},  # ends the process in pycocotools
        {"size": [30, 40], "counts": "o" * 50},
        {"size": [30, 40], "counts": "0000000"},
        {"size": [30, 40], "counts": [2**62, 2**62, 2**62, 2**62, 1200]},  # 1200 modulo 2**64
        {"size": [float("inf"), 40], "counts": [5]},
    ],
)
def test_run_lengths_that_lie_become_a_problem(segmentation):
    conversion = coco_reading.to_via(coco_data([{"segmentation": segmentation}]))
    assert conversion.instances == 0
    assert len(conversion.problems) == 1


def test_ids_that_would_share_a_key_are_refused():
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": "1", "file_name": "b.jpg"}]
    with pytest.raises(DatasetError, match=r"two entries of .images. have the id"):
        coco_reading.to_via(coco_data([], images))


def test_a_note_in_a_via_file_does_not_rename_its_image():
    note = json.dumps({"file_name": "../../b.jpg", "width": "x", "id": [1]})
    data = entry("a.jpg", [region()])
    data["file_attributes"]["coco"] = note
    (image,) = coco_writing.from_via(via.from_json({"a": data}), MODANET_TABLE).data["images"]
    assert (image["file_name"], image["width"], image["id"]) == ("a.jpg", 40, 1)


def test_a_table_of_more_classes_than_any_network_has(tmp_path):
    path = tmp_path / "classes.json"
    write_raw(path, [str(i) for i in range(10_001)])
    with pytest.raises(DatasetError, match="10,001 classes"):
        ClassTable.from_file(path)


def test_masks_that_no_memory_holds_are_refused(tmp_path):
    many = [region([(1, 1), (5, 1), (5, 5)], label="bag") for _ in range(200)]
    root = dataset_folder(tmp_path, [entry("a.jpg", many, (9000, 9000))], write_images=False)
    (root / "train" / "a.jpg").touch()
    data = FashionDataset().load(root, "train", MODANET_TABLE)
    data.prepare()
    with pytest.raises(DatasetError, match="200 instances on 9000 x 9000 pixels"):
        data.load_mask(0)


@pytest.mark.parametrize(
    "record",
    [
        {"files": {"../victim.jpg": "/x/victim.jpg"}},
        {"files": {"/etc/hostname": "/x/etc/hostname"}},
        {"files": {"train/a.jpg": "/home/user/.bashrc"}},
        {"files": {"train/a.jpg": "/x/../a.jpg"}},
        {"files": {"train": "/x/train"}},
        {"copies": {"/home/user/.ssh/id": "test/id"}},
        {"copies": {"/home/user/b.jpg": "test/a.jpg"}},
        {"copies": {"/home/user/a.jpg": "/elsewhere/a.jpg"}},
        {"annotations": {"../notes.txt": "0"}},
        {"annotations": ["train/instances.json"]},
    ],
)
def test_the_record_of_a_split_moves_and_removes_nothing_of_others(tmp_path, record):
    write_raw(tmp_path / "split.json", record)
    with pytest.raises(
        DatasetError, match=r"split\.json: (the record is damaged|this is not the rec)"
    ):
        SplitFolder(tmp_path)


def test_the_record_that_a_split_writes_is_taken(tmp_path):
    write_raw(
        tmp_path / "split.json",
        {
            "files": {"train/x/a.gif": "/pictures/x/a.gif", "val/b": "sources/b"},
            "copies": {"/images/x_c.jpg": "test/x/c.jpg"},
            "annotations": {"train/via_region_data.json": "0" * 64},
        },
    )
    assert len(SplitFolder(tmp_path).files) == 2
