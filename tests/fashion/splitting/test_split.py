import contextlib
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE
from fashion.splitting import placing
from fashion.splitting import split as split_dataset
from fashion.splitting.annotations import read_source
from fashion.splitting.record import SplitFolder
from fashion.splitting.report import findings
from fashion.splitting.split import Settings
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, entry, region, write_json

NAMES = [f"{number}.png" for number in range(20)]


def write_picture(path, seed):
    """A small image unlike any other seed's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((40, 30), Image.Resampling.NEAREST).save(path)


def via_data(names=NAMES):
    """Every image has a bag, every second a belt too."""
    regions = [region(label="bag")], [region(label="bag"), region(label="belt")]
    return {name: entry(name, regions[i % 2]) for i, name in enumerate(names)}


def coco_of(names=NAMES):
    images = [{"id": i, "file_name": n, "width": 40, "height": 30} for i, n in enumerate(names, 1)]
    return coco_data([{"image_id": image["id"]} for image in images], images)


@pytest.fixture
def world(tmp_path):
    for seed, name in enumerate(NAMES):
        write_picture(tmp_path / "in" / name, seed)
    write_json(tmp_path / "via.json", via_data())
    return tmp_path


def divide(world, annotations="via.json", out="out", images="in", **settings):
    """One run of the whole."""
    settings = Settings(**settings)
    source = read_source(world / annotations)
    folder = SplitFolder(world / out)
    split = split_dataset.plan_split(source, world / images, folder, settings)
    split_dataset.carry_out(split, source, world / images, folder, settings)
    return split


def tree(folder):
    """Relative path -> bytes of all files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def pictures(world, out="out"):
    return {name: data for name, data in tree(world / out).items() if name.endswith(".png")}


def record(world, out="out"):
    return json.loads((world / out / "split.json").read_text())


@pytest.mark.parametrize("mode", ["copy", "move", "link"])
def test_images_and_annotations_go_together(world, mode):
    split = divide(world, mode=mode)
    assert [len(names) for names in split.subsets.values()] == [16, 2, 2]
    for subset, names in split.subsets.items():
        path = world / "out" / subset / "via_region_data.json"
        data = json.loads(path.read_text())
        assert data == {name: via_data()[name] for name in names}
        assert {p.name for p in path.parent.iterdir()} == {path.name, *names}
        # what was made can be trained on
        loaded = FashionDataset().load(world / "out", subset, MODANET_TABLE)
        assert len(loaded.image_info) == len(names)
    assert len(list((world / "in").iterdir())) == (0 if mode == "move" else 20)


def test_coco_stays_coco(world):
    data = coco_of()
    write_json(world / "coco.json", data)
    split = divide(world, "coco.json")
    parts = [
        json.loads((world / "out" / subset / "instances.json").read_text())
        for subset in split.subsets
    ]
    for key in ("images", "annotations"):
        merged = sorted((e for part in parts for e in part[key]), key=lambda e: e["id"])
        assert merged == data[key]
    assert all(part["categories"] == data["categories"] for part in parts)


@pytest.mark.parametrize("mode", ["copy", "move", "link"])
def test_the_second_run_changes_nothing(world, mode):
    divide(world, mode=mode, test_images=world / "images")
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in world.rglob("*")}
    split = divide(world, mode=mode, test_images=world / "images")
    assert split.done == {"kept": 20}
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in world.rglob("*")} == before


OTHER = {"ratios": (0.5, 0.5, 0.0), "seed": 5}


@pytest.mark.parametrize("first", ["copy", "move", "link"])
@pytest.mark.parametrize("second", ["copy", "move", "link"])
def test_another_split_leaves_nothing_of_the_first(world, first, second):
    """Whatever was there before, the result is that of a first run with the same settings."""
    divide(world, out="fresh", **OTHER)
    divide(world, mode=first, test_images=world / "images")
    assert len(tree(world / "images")) == 2
    divide(world, mode=second, **OTHER)
    found, fresh = tree(world / "out"), tree(world / "fresh")
    del found["split.json"], fresh["split.json"]
    assert found == fresh
    assert tree(world / "images") == {}
    assert not (world / "out" / "test").exists()


def test_another_annotation_file_takes_away_what_it_does_not_name(world):
    write_json(world / "fewer.json", via_data(NAMES[:10]))
    originals = tree(world / "in")
    divide(world, mode="move")
    divide(world, "fewer.json", mode="move")
    assert sorted(path.split("/")[1] for path in pictures(world)) == sorted(NAMES[:10])
    # the only copies of the others are back where they were
    assert tree(world / "in") == {name: originals[name] for name in NAMES[10:]}


def test_the_format_may_change(world):
    write_json(world / "coco.json", coco_of())
    divide(world)
    divide(world, "coco.json")
    assert [p.name for p in (world / "out" / "train").glob("*.json")] == ["instances.json"]


class Killed(Exception):
    pass


@pytest.mark.parametrize("step", range(0, 44, 3))
@pytest.mark.parametrize("mode", ["copy", "move", "link"])
def test_a_run_that_was_cut_off_is_finished_by_the_next(world, mode, step, monkeypatch):
    """Cut off before any of its file operations; then it is run again, with other settings."""
    divide(world, out="fresh", mode="copy", near_duplicates=False, test_images=world / "f", **OTHER)
    divide(world, mode=mode, near_duplicates=False, test_images=world / "images")
    count = 0

    def counted(function):
        def call(*arguments, **keywords):
            nonlocal count
            count += 1
            if count > step:
                raise Killed
            return function(*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        for name in ("copy", "link", "_move"):
            patch.setattr(placing, name, counted(getattr(placing, name)))
        patch.setattr(placing.Placer, "_clear", counted(placing.Placer._clear))
        patch.setattr(split_dataset, "write_text", counted(split_dataset.write_text))
        patch.setattr(split_dataset, "write_json", counted(split_dataset.write_json))
        with contextlib.suppress(Killed):
            divide(world, mode=mode, near_duplicates=False, seed=9)
    for path in (world / "out").rglob("via_region_data.json"):
        # Annotations that are there belong to just the images beside them.
        beside = {p.name for p in path.parent.iterdir() if p.suffix == ".png"}
        assert {e["filename"] for e in json.loads(path.read_text()).values()} == beside
    everywhere = {path.split("/")[-1] for path in (*pictures(world), *tree(world / "in"))}
    assert everywhere == set(NAMES)  # no picture is lost
    settings = {"mode": mode, "near_duplicates": False, "test_images": world / "images", **OTHER}
    divide(world, **settings)
    found, fresh = tree(world / "out"), tree(world / "fresh")
    del found["split.json"], fresh["split.json"]
    assert found == fresh
    assert tree(world / "images") == tree(world / "f")


def test_what_cannot_be_placed_is_reported_and_left_alone(world):
    data = via_data([*NAMES, "gone.png", "broken.png"]) | {"e": entry("0x.png")}
    write_json(world / "via.json", data)
    write_picture(world / "in" / "0x.png", 100)
    write_picture(world / "in" / "more" / "extra.png", 101)
    (world / "in" / "broken.png").write_bytes(b"no picture")
    (world / "in" / "notes.txt").write_text("not an image")
    split = divide(world, mode="move")
    assert split.missing == ["gone.png"]
    assert split.without_entry == ["more/extra.png"]
    assert split.without_regions == ["0x.png"]
    (sentence,) = split.unreadable
    assert "broken.png" in sentence
    assert sorted(tree(world / "in")) == ["broken.png", "more/extra.png", "notes.txt"]
    named = [n for s in ("train", "val", "test") for n in record(world)["subsets"][s]]
    assert sorted(named) == sorted([*NAMES, "0x.png"])
    assert record(world)["annotations_without_image"] == ["gone.png"]
    assert record(world)["images_without_annotation"] == ["more/extra.png"]


def test_near_duplicates_stay_on_one_side(world):
    copies = []
    for name in NAMES[:6]:
        with Image.open(world / "in" / name) as image:
            for suffix, size in (("a", (80, 60)), ("b", (60, 45))):
                copies.append(name.replace(".png", f"{suffix}.png"))
                image.resize(size).save(world / "in" / copies[-1])
    data = via_data([*NAMES, *copies])
    for name in copies:
        data[name]["file_attributes"] = {}  # they have another size than the pictures
    write_json(world / "via.json", data)
    for seed in range(5):
        split = divide(world, seed=seed)
        assert len(split.groups) == 6
        assert [len(names) for names in split.subsets.values()] == [26, 3, 3]
        subset_of = split.subset_of()
        for group in split.groups:
            assert len(group) == 3
            assert len({subset_of[name] for name in group}) == 1


def test_ready_made_lists(world):
    lists = {"train": ["0", "1", "2"], "val": ["3.png", "gone.png"], "test": ["4.png"]}
    with Image.open(world / "in" / "0.png") as image:
        image.save(world / "in" / "3.png")
    split = divide(world, lists=lists)
    assert split.subsets == {
        "train": ["0.png", "1.png", "2.png"],
        "val": ["3.png"],
        "test": ["4.png"],
    }
    assert split.unknown == ["gone.png"]
    assert split.not_listed == NAMES[5:]
    assert split.parted == [["0.png", "3.png"]]
    assert sorted(tree(world / "in")) == sorted(NAMES)


def test_an_earlier_split_as_list(world):
    first = divide(world, seed=3)
    lists = {subset: list(reversed(names)) for subset, names in record(world)["subsets"].items()}
    assert divide(world, out="out2", lists=lists).subsets == first.subsets


def test_test_images_for_the_stage(world):
    images = world / "images"
    images.mkdir()
    (images / "mine.png").write_bytes(b"mine")
    split = divide(world, test_images=images)
    originals = tree(world / "in")
    assert tree(images) == {
        "mine.png": b"mine",
        **{name: originals[name] for name in split.subsets["test"]},
    }
    # other test images replace these, and somebody else's stay
    second = divide(world, test_images=images, seed=7)
    assert second.subsets["test"] != split.subsets["test"]
    assert set(tree(images)) == {"mine.png", *second.subsets["test"]}
    divide(world)
    assert set(tree(images)) == {"mine.png"}


def test_test_images_where_the_images_are(world):
    """The folder of all images is the stage's: nothing to copy, and later nothing to take out."""
    divide(world, test_images=world / "in")
    divide(world, test_images=world / "in", seed=7)
    divide(world)
    assert sorted(tree(world / "in")) == sorted(NAMES)


def test_another_picture_in_the_test_folder_is_not_replaced(world):
    images = world / "images"
    images.mkdir()
    for name in NAMES:
        (images / name).write_bytes(b"another")
    with pytest.raises(DatasetError, match="in the way, since it differs"):
        divide(world, test_images=images)
    assert not (world / "out").exists()


def test_images_in_folders(world):
    names = [f"{folder}/{name}" for folder in "ab" for name in NAMES[:5]]
    for seed, name in enumerate(names):
        write_picture(world / "deep" / name, seed)
    write_json(world / "via.json", via_data(names))
    split = divide(world, images="deep", test_images=world / "images")
    assert set(pictures(world)) == {f"{s}/{n}" for n, s in split.subset_of().items()}
    assert set(tree(world / "images")) == {n.replace("/", "_") for n in split.subsets["test"]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train/via_region_data.json", "{}", "was not written by an earlier split"),
        ("val/9999.png", "picture", "would be mixed with the new subsets"),
    ],
)
def test_somebody_elses_folder_is_refused(world, name, content, message):
    path = world / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text(content)
    before = tree(world)
    with pytest.raises(DatasetError, match=message):
        divide(world)
    assert tree(world) == before


def test_corrected_annotations_are_not_lost(world):
    divide(world)
    path = world / "out" / "train" / "via_region_data.json"
    path.write_text(path.read_text().replace("bag", "boots"))
    with pytest.raises(DatasetError, match="has been changed since the split wrote it"):
        divide(world, seed=1)
    divide(world, seed=1, overwrite=True)
    assert "boots" not in path.read_text()


def test_rare_labels_do_not_leave_the_empty_pictures_to_val_and_test(tmp_path):
    names = [f"{number}.png" for number in range(50)]
    for number, name in enumerate(names):
        write_picture(tmp_path / "in" / name, number)
    data = {
        name: entry(name, [region(label=f"label {number % 10}")] if number < 40 else [])
        for number, name in enumerate(names)
    }
    write_json(tmp_path / "via.json", data)
    split = divide(tmp_path)
    for subset, labelled, empty in (("train", 32, 8), ("val", 4, 1), ("test", 4, 1)):
        found = [bool(data[name]["regions"]) for name in split.subsets[subset]]
        assert abs(sum(found) - labelled) <= 1
        assert abs(len(found) - sum(found) - empty) <= 1
    assert split.without_instances() == []


def test_a_subset_without_any_instance_is_named(tmp_path):
    names = ["0.png", "1.png"]
    for number, name in enumerate(names):
        write_picture(tmp_path / "in" / name, number)
    write_json(tmp_path / "via.json", {"0": entry(names[0], [region()]), "1": entry(names[1])})
    split = divide(tmp_path, lists={"train": names[:1], "val": names[1:], "test": []})
    assert split.without_instances() == ["val"]
    assert "without any instance, of no use for training or evaluation: 1\n  val" in findings(
        split, 3
    )


def test_no_image_at_all(world):
    with pytest.raises(DatasetError, match=r"none .* of 20 images, 20 cannot be found in"):
        divide(world, images="nowhere")
    write_json(world / "via.json", {})
    with pytest.raises(DatasetError, match="none of its images can be placed: of 0 images"):
        divide(world)


def test_a_record_that_is_none(world):
    write_json(world / "out" / "split.json", [1])
    with pytest.raises(DatasetError, match="is not the record of a split"):
        divide(world)


def test_settings_cannot_change_under_way():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().seed = 1
