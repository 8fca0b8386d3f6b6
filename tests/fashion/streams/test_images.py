import json
import pathlib
import random
import tracemalloc

import pytest

from fashion.annotations import coco, coco_reading, coco_writing, via
from fashion.annotations.class_inference import UniqueIds
from fashion.annotations.instances import group_regions
from fashion.annotations.locating import read_annotations
from fashion.annotations.problems import KEPT, Problem, ProblemLog
from fashion.splitting.annotations import read_source
from fashion.streams import conversion, index, json_reading
from fashion.streams.coco_writing import CocoStreamWriter, read_head
from fashion.streams.images import open_annotations
from fashion.streams.via_writing import ViaStreamWriter
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, entry, region, via_1, via_project, write_json


def mixed_coco():
    """A COCO file in no order, with ids of both kinds, crowds, boxes, masks and what is wrong."""
    rng = random.Random(3)

    def polygon():
        return [round(rng.uniform(0, 40), 2) for _ in range(12)]

    images = [
        {
            "id": i if i % 3 else f"s{i}",
            "file_name": f"{'é' if i % 4 == 0 else 'sub/a'}{i}.jpg",
            "width": 40,
            "height": 30,
            "license": 1,
        }
        for i in range(20, 0, -1)
    ]
    annotations = [
        {
            "image_id": rng.choice(images[:-2])["id"],
            "category_id": 99 if i % 9 == 0 else rng.choice([1, 7]),
            "segmentation": [polygon(), polygon()][: 1 + i % 2] if i % 7 else [],
            "bbox": [1, 1, 5, 5],
            "iscrowd": int(i % 11 == 0),
        }
        for i in range(1, 60)
    ]
    annotations += [
        {
            "image_id": 4,
            "category_id": 7,
            "segmentation": {"size": [30, 40], "counts": [3, 5, 1192]},
        },
        {"image_id": 4, "category_id": 7, "segmentation": [[1, 1, 2, 2]]},
        {"image_id": "4", "category_id": 7},
        {"image_id": [4], "category_id": 7},
        {"image_id": 4, "category_id": None},
        {"image_id": 4, "category_id": 7, "segmentation": [[100, 1, 120, 1, 120, 20]]},
    ]
    data = coco_data(annotations, images)
    data["categories"] = [{"id": 7, "name": "Mütze"}, {"id": 1, "name": "bag"}]
    return {"info": {"year": 2018}, **data, "licenses": [{"id": 1}]}


@pytest.mark.parametrize("first_polygon", [False, True])
@pytest.mark.parametrize("chunk", [64, 1 << 20])
def test_coco_to_via_writes_what_it_writes_of_whole_files(
    tmp_path, monkeypatch, first_polygon, chunk
):
    monkeypatch.setitem(json_reading.JsonStream.__init__.__kwdefaults__, "chunk", chunk)
    source = write_json(tmp_path / "c.json", mixed_coco())
    whole = coco_reading.to_via(coco.read(source), str(source), first_polygon=first_polygon)
    via.write(tmp_path / "whole.json", whole.annotations)
    result, written = conversion.coco_to_via(
        source, tmp_path / "stream.json", first_polygon=first_polygon
    )
    assert written == [tmp_path / "stream.json"]
    assert (tmp_path / "stream.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert result.summary(100) == whole.summary(100)
    assert len(result.problems) > 8


@pytest.mark.parametrize("like", [False, True])
def test_via_to_coco_writes_what_it_writes_of_whole_files(tmp_path, like):
    source = write_json(tmp_path / "c.json", mixed_coco())
    conversion.coco_to_via(source, tmp_path / "via.json")
    head = read_head(source) if like else None
    path = tmp_path / "via.json"
    whole = coco_writing.from_via(via.read(path), str(path), like=head)
    coco_writing.write(tmp_path / "whole.json", whole.data)
    result, _ = conversion.via_to_coco(path, tmp_path / "stream.json", like=head)
    assert (tmp_path / "stream.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert result.summary(100) == whole.summary(100)


def test_shards_hold_together_what_one_file_holds(tmp_path):
    source = write_json(tmp_path / "c.json", mixed_coco())
    _, shards = conversion.coco_to_via(source, tmp_path / "via" / "v.json", shard_size=6)
    assert [path.name for path in shards] == [f"v-{n:05d}-of-00004.json" for n in range(4)]
    conversion.coco_to_via(source, tmp_path / "one.json")
    together = {}
    for path in shards:
        together |= json.loads(path.read_text())
    assert together == json.loads((tmp_path / "one.json").read_text())

    conversion.via_to_coco(tmp_path / "one.json", tmp_path / "one_coco.json")
    _, shards = conversion.via_to_coco(tmp_path / "via", tmp_path / "coco" / "c.json", shard_size=7)
    assert len(shards) == 3
    parts = [coco.read(path) for path in shards]
    whole = coco.read(tmp_path / "one_coco.json")
    for key in ("images", "annotations"):
        assert [entry for part in parts for entry in part[key]] == whole[key]
    assert all(part["categories"] == whole["categories"] for part in parts)
    conversion.coco_to_via(tmp_path / "one_coco.json", tmp_path / "whole.json")
    conversion.coco_to_via(tmp_path / "coco" / "c-*.json", tmp_path / "back.json")
    assert (tmp_path / "back.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def doubled():
    """Entries of which two name one file, and of which a third was left out by its key."""
    return {
        "1": entry("a.jpg", [region(instance="1", label="bag")]),
        "2": entry("b.jpg", [region([(1, 1), (2, 2)])]),
        "3": entry("a.jpg", [region(instance="1", label="bag"), {}], size=None),
        "4": entry("c.jpg", size=None),
    }


@pytest.mark.parametrize("form", [dict, via_1, via_project])
def test_every_form_of_via_is_read_alike(tmp_path, form):
    data = doubled()
    for number, one in enumerate(data.values()):
        one["size"] = number
    path = write_json(tmp_path / "via.json", form(data))
    whole = via.read(path)
    with open_annotations(path) as stream:
        for _ in range(2):  # as often as wanted
            assert list(stream) == whole.images
            assert sorted(map(str, stream.problems)) == sorted(map(str, whole.problems))
            assert stream.region_count == whole.region_count
        assert (len(stream), stream.index.version) == (3, whole.version)


@pytest.mark.parametrize("form", [lambda text: text, '{{"_via_img_metadata": {}}}'.format])
def test_entries_of_one_key_are_all_kept(tmp_path, form):
    path = tmp_path / "via.json"
    numbered = region(label="bag", instance="1")
    entries = [json.dumps(entry(name, [numbered])) for name in ("a.jpg", "b.jpg", "a.jpg", "c.jpg")]
    path.write_text(form('{{"1": {}, "2": {}, "1": {}, "1": {}}}'.format(*entries)))
    whole = via.read(path)
    assert [(i.filename, len(group_regions(i.regions))) for i in whole] == [
        ("a.jpg", 2),
        ("b.jpg", 1),
        ("c.jpg", 1),
    ]
    assert "named twice" in str(whole.problems[0])
    with open_annotations(path) as stream:
        assert list(stream) == whole.images
        assert list(stream.problems) == whole.problems
    assert read_source(path).counts["a.jpg"] == {"bag": 2}
    assert len(read_source(path).part(["a.jpg"])) == 2


@pytest.mark.parametrize(
    "data",
    [
        [1],
        5,
        {},
        {"a": {"x": 1}},
        {"metadata": {}, "file": {}, "project": {}},
        {"_via_img_metadata": [], "_via_attributes": {}},
        {"x": entry("../a.jpg")},
        {"x": {**entry("a.jpg"), "regions": 5}},
        {"images": [{"id": 1}], "annotations": [], "categories": []},
        coco_data([], [{"id": 1, "file_name": "a"}, {"id": "1", "file_name": "b"}]),
        coco_data([], [{"id": 1, "file_name": "a"}, {"id": 1.0, "file_name": "b"}]),
        coco_data([], [{"id": 1, "file_name": "a"}, {"id": 2, "file_name": "a"}]),
        coco_data([], [{"id": 2**70, "file_name": "a"}, {"id": 1, "file_name": "../b"}]),
        {"images": [], "annotations": [5], "categories": []},
        {"images": [], "annotations": []},
        coco_data([], None, ("bag", "bag")),
    ],
)
def test_what_is_wrong_gets_the_sentence_of_a_file_read_whole(tmp_path, data):
    def outcome(read):
        try:
            return read()
        except DatasetError as error:
            return str(error)

    def by_stream():
        with open_annotations(path) as stream:
            return list(stream)

    path = write_json(tmp_path / "a.json", data)
    assert outcome(by_stream) == outcome(lambda: read_annotations(path).images)


def test_the_tools_refuse_the_other_format(tmp_path):
    of_coco = write_json(tmp_path / "c.json", coco_data([{}]))
    of_via = write_json(tmp_path / "v.json", {"x": entry()})
    with pytest.raises(DatasetError, match="is a COCO file, not a VIA file"):
        conversion.via_to_coco(of_coco, tmp_path / "out.json")
    with pytest.raises(DatasetError, match="is not a COCO annotation file"):
        conversion.coco_to_via(of_via, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_shards_of_different_classes_are_refused(tmp_path):
    for number, name in enumerate(("bag", "hat")):
        image = {"id": number, "file_name": f"{number}.jpg"}
        write_json(tmp_path / f"c-0000{number}-of-00002.json", coco_data([], [image], (name,)))
    with pytest.raises(DatasetError, match="have different categories"), open_annotations(tmp_path):
        pass


def test_strict_stops_and_leaves_nothing(tmp_path):
    path = write_json(tmp_path / "v.json", doubled())
    with open_annotations(path, strict=True) as stream, pytest.raises(DatasetError, match=r"a.jpg"):
        list(stream)
    source = write_json(tmp_path / "c.json", coco_data([{}, {"image_id": 99}]))
    with pytest.raises(DatasetError, match="its image_id 99"):
        conversion.coco_to_via(source, tmp_path / "out" / "v.json", strict=True)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_writer_is_that_of_whole_files(tmp_path, count):
    data = {str(n): entry(f"é{n}.jpg", [region()] * n) for n in range(count)}
    via.write(tmp_path / "whole.json", via.from_json(data))
    for lines in (False, True):
        with ViaStreamWriter(tmp_path / f"{lines}.json", lines=lines) as writer:
            for key, one in data.items():
                writer.add(key, one)
    assert (tmp_path / "False.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert json.loads((tmp_path / "True.json").read_text()) == data
    assert (tmp_path / "True.json").read_text().count("\n") == count + 2


def via_entries_of(path, pairs):
    with ViaStreamWriter(path) as writer:
        for key, one in pairs:
            writer.add(key, one)


def coco_image_of(path, annotation):
    with CocoStreamWriter(path, {}, []) as writer:
        writer.add({"id": 1}, [annotation])


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_failing_writer_leaves_what_was_there(tmp_path, number):
    path = tmp_path / "via.json"
    path.write_text("former")
    with pytest.raises(DatasetError, match="cannot be written as JSON"):
        via_entries_of(path, [("1", entry()), ("2", {"size": number})])
    with pytest.raises(DatasetError, match="entries 1 and 3 have the same key"):
        via_entries_of(path, [(key, entry()) for key in ("a", "b", "a")])
    with pytest.raises(DatasetError, match="cannot be written as JSON"):
        coco_image_of(path, {"area": number})
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("via.json", "former")]


def test_a_shard_needs_an_entry(tmp_path):
    for make in (
        lambda: ViaStreamWriter(tmp_path / "a.json", shard_size=0),
        lambda: CocoStreamWriter(tmp_path / "a.json", {}, [], shard_size=0),
    ):
        with pytest.raises(DatasetError, match=r"shard_size leaves no entry .* 1 or more, found 0"):
            make()


def test_a_file_that_changes_while_it_is_read_is_reported(tmp_path):
    path = write_json(tmp_path / "v.json", {"1": entry("a.jpg")})
    with open_annotations(path) as stream:
        path.write_text("[" * path.stat().st_size)
        with pytest.raises(DatasetError, match="was changed while it was being read"):
            list(stream)


def test_the_index_lies_on_the_disk_and_leaves_nothing(tmp_path, monkeypatch):
    """With a cache of one page the temporary database is written out; no file of it is seen."""
    monkeypatch.setattr(index, "CACHE_KILOBYTES", 8)
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path / "index"))
    (tmp_path / "index").mkdir()
    source = write_json(tmp_path / "c.json", mixed_coco())
    with open_annotations(source) as stream:
        assert len(list(stream)) == 20
        assert list((tmp_path / "index").iterdir()) == []


def test_unique_ids_are_those_of_a_set():
    ids = UniqueIds()
    wanted = [3, None, 1, 1.0, True, "a", "a", 300, 2**80, -5, -5, [1], None, 2.5, 2.5]
    given = [ids.take(one) for one in wanted]
    assert given == [3, 1, 2, 4, 5, "a", 6, 300, 2**80, -5, 7, 8, 9, 2.5, 10]
    assert len(set(given)) == len(given)


def test_a_problem_log_counts_all_and_keeps_the_first():
    log = ProblemLog([Problem("a", None, "x")] * (KEPT + 5))
    assert (len(log), len(list(log)), str(log[0])) == (KEPT + 5, KEPT, "a: x")
    other = ProblemLog()
    assert not other
    other += log
    assert len(other) == KEPT + 5


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setitem(json_reading.JsonStream.__init__.__kwdefaults__, "chunk", 1 << 14)

    def peak(count):
        path = tmp_path / f"{count}.json"
        with ViaStreamWriter(path) as writer:
            for number in range(count):
                writer.add(str(number), entry(f"{number}.jpg", [region()] * 3))
        tracemalloc.start()
        conversion.via_to_coco(path, tmp_path / "c.json")
        conversion.coco_to_via(tmp_path / "c.json", tmp_path / "v.json")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # what is imported and kept at the first use
    assert peak(600) < 1.5 * peak(100)


def test_only_large_files_and_shards_are_streamed_unasked(tmp_path):
    path = write_json(tmp_path / "a.json", {})
    assert not conversion.is_large(path)
    assert conversion.is_large(path, limit=1)
    assert conversion.is_large(pathlib.Path(str(tmp_path / "*.json")))
