import os

import pytest

from fashion.splitting.placing import Placer
from mrcnn.errors import DatasetError


@pytest.fixture
def world(tmp_path):
    """Two pictures, and the folder they are to be put into."""
    for name in "ab":
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"content of {name}")
    return tmp_path


def plan(world, **places):
    """target -> source for `a="train"`: out/train/a from in/a."""
    return {world / "out" / folder / name: world / "in" / name for name, folder in places.items()}


def files(world):
    return sorted(str(p.relative_to(world)) for p in world.rglob("*") if not p.is_dir())


def contents_are_right(world):
    return all(p.read_text() == f"content of {p.name}" for p in world.rglob("*") if p.is_file())


@pytest.mark.parametrize("mode", ["copy", "move", "link"])
def test_place_keep_relocate_take_out(world, mode):
    first = plan(world, a="train", b="val")
    sources = [] if mode == "move" else ["in/a", "in/b"]
    assert Placer({}, first, mode).run() == {"placed": 2}
    assert files(world) == [*sources, "out/train/a", "out/val/b"]
    assert contents_are_right(world)

    assert Placer(first, first, mode).run() == {"kept": 2}
    assert files(world) == [*sources, "out/train/a", "out/val/b"]

    second = plan(world, a="val", b="val")
    assert Placer(first, second, mode).run() == {"relocated": 1, "kept": 1}
    assert files(world) == [*sources, "out/val/a", "out/val/b"]

    third = plan(world, a="val")
    gone = "moved back" if mode == "move" else "taken out"
    assert Placer(second, third, mode).run() == {gone: 1, "kept": 1}
    assert files(world) == [*(["in/b"] if mode == "move" else sources), "out/val/a"]
    assert contents_are_right(world)


def test_a_link_is_the_file_itself(world):
    wanted = plan(world, a="train")
    Placer({}, wanted, "link").run()
    assert (world / "out/train/a").samefile(world / "in/a")


def test_where_hard_links_cannot_be_made(world, monkeypatch):
    def refuse(*_):
        raise OSError("not on this file system")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setenv("FASHION_MRCNN_FOLLOW_LINKS", "1")
    wanted = plan(world, a="train")
    Placer({}, wanted, "link").run()
    assert (world / "out/train/a").is_symlink()
    assert contents_are_right(world)
    # the link is replaced by the file
    assert Placer(wanted, wanted, "move").run() == {"kept": 1}
    assert not (world / "out/train/a").is_symlink()
    assert files(world) == ["in/b", "out/train/a"]


def test_where_links_would_not_be_followed_the_file_is_copied(world, monkeypatch):
    def refuse(*_):
        raise OSError("not on this file system")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.delenv("FASHION_MRCNN_FOLLOW_LINKS", raising=False)
    Placer({}, plan(world, a="train"), "link").run()
    assert not (world / "out/train/a").is_symlink()
    assert not (world / "out/train/a").samefile(world / "in/a")
    assert contents_are_right(world)


def test_across_file_systems(world, monkeypatch):
    replace = type(world).replace

    def refuse(self, target):
        if self.parent.name == "in":
            raise OSError("another file system")
        return replace(self, target)

    monkeypatch.setattr(type(world), "replace", refuse)
    Placer({}, plan(world, a="train"), "move").run()
    assert files(world) == ["in/b", "out/train/a"]
    assert contents_are_right(world)


@pytest.mark.parametrize("before", ["copy", "move", "link"])
@pytest.mark.parametrize("after", ["copy", "move", "link"])
def test_another_way_the_second_time(world, before, after):
    wanted = plan(world, a="train", b="val")
    Placer({}, wanted, before).run()
    Placer(wanted, wanted, after).run()
    placed = ["out/train/a", "out/val/b"]
    moved = "move" in (before, after)
    assert files(world) == (placed if moved else ["in/a", "in/b", *placed])
    assert contents_are_right(world)
    if not moved:
        linked = (world / "out/train/a").samefile(world / "in/a")
        assert linked == (after == "link")


def test_a_changed_source_is_copied_again(world):
    wanted = plan(world, a="train")
    Placer({}, wanted, "copy").run()
    (world / "in/a").write_text("content of a, corrected")
    Placer(wanted, wanted, "copy").run()
    assert (world / "out/train/a").read_text() == "content of a, corrected"


def test_a_lost_copy_is_put_back(world):
    wanted = plan(world, a="train")
    Placer({}, wanted, "copy").run()
    (world / "out/train/a").unlink()
    assert Placer(wanted, wanted, "copy").run() == {"placed": 1}


@pytest.mark.parametrize("mode", ["copy", "move", "link"])
def test_another_source_of_the_same_name(world, mode):
    first = plan(world, a="train")
    Placer({}, first, mode).run()
    other = world / "other" / "a"
    other.parent.mkdir()
    other.write_text("content of another a")
    Placer(first, {world / "out/train/a": other}, mode).run()
    assert (world / "out/train/a").read_text() == "content of another a"
    assert (world / "in/a").read_text() == "content of a"


def test_the_same_file_that_is_there_already(world):
    (world / "out/train").mkdir(parents=True)
    (world / "out/train/a").write_text("content of a")
    Placer({}, plan(world, a="train"), "move").run()
    assert files(world) == ["in/b", "out/train/a"]


@pytest.mark.parametrize("mode", ["copy", "move", "link"])
def test_nothing_is_changed_when_something_is_in_the_way(world, mode):
    (world / "out/val").mkdir(parents=True)
    (world / "out/val/b").write_text("somebody's work")
    before = files(world)
    with pytest.raises(DatasetError, match="b: in the way, since it differs"):
        Placer({}, plan(world, a="train", b="val"), mode)
    assert files(world) == before


def test_a_copy_that_somebody_has_changed_is_not_taken_out(world):
    first = plan(world, a="train")
    Placer({}, first, "copy").run()
    (world / "out/train/a").write_text("somebody's work")
    with pytest.raises(DatasetError, match="a: it has changed since it was copied"):
        Placer(first, plan(world, a="val"), "copy")


def test_a_file_that_is_nowhere(world):
    (world / "in/a").unlink()
    with pytest.raises(DatasetError, match="a: it is gone; nothing was changed"):
        Placer({}, plan(world, a="train", b="val"), "move")
    assert files(world) == ["in/b"]


def test_nothing_to_do(world):
    assert Placer({}, {}, "copy").run() == {}
