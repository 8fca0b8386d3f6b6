"""Annotations made for the stored picture, which the camera had turned: every tool notices."""

import pytest

from fashion.annotations.coco_writing import from_via
from fashion.annotations.locating import annotation_parts
from fashion.annotations.via import read
from fashion.data_quality.counting import collect
from fashion.data_quality.samples import choose_samples, write_samples
from fashion.exchange.run import FORMATS, ExportSettings, export
from fashion.labels import MODANET_TABLE
from fashion.pictures.listing import wrong_size
from fashion.review.page import page_images
from fashion.splitting.annotations import read_source
from fashion.splitting.record import SplitFolder
from fashion.splitting.split import Settings, plan_split
from fashion.streams import coco_to_via
from mrcnn.errors import DatasetError
from tests.fashion.factories import entry, region, write_image, write_json


@pytest.fixture
def world(tmp_path):
    """`turned.jpg` is shown 30 x 40, its annotations say 40 x 30; `good.jpg` is as they say."""
    write_image(tmp_path / "in" / "turned.jpg", orientation=6)
    write_image(tmp_path / "in" / "good.jpg")
    data = {name: entry(name, [region()]) for name in ("turned.jpg", "good.jpg")}
    write_json(tmp_path / "in" / "via.json", data)
    return tmp_path


def test_the_size_is_that_of_the_upright_picture(world):
    turned = world / "in" / "turned.jpg"
    assert "for 40 x 30 pixels, but it has 30 x 40" in (wrong_size(turned, 40, 30) or "")
    assert wrong_size(turned, 30, 40) is None
    assert wrong_size(turned, None, 40) is None
    assert wrong_size(world / "none.jpg", 40, 30) is None


@pytest.mark.parametrize("form", FORMATS)
def test_no_export_has_its_coordinates(world, form):
    report, _ = export(world / "in", world / "out", ExportSettings(form))
    assert (report.images, report.objects) == (1, 1)
    assert "turned.jpg: its annotations are for 40 x 30" in str(report.problems[0])
    written = [path for path in (world / "out").rglob("*") if path.is_file()]
    assert not any("turned" in path.name or b"turned" in path.read_bytes() for path in written)


def test_statistics_and_samples(world):
    parts = annotation_parts(world / "in")
    figures = collect(parts, MODANET_TABLE)
    assert (figures.instances_per_image, figures.classes["bag"].areas) == ([1], [100])
    assert "turned.jpg: its annotations are for" in str(figures.problems[0])
    drawn, errors = write_samples(
        choose_samples(parts, MODANET_TABLE, 2), MODANET_TABLE, world / "out"
    )
    assert ([path.name for path in drawn], len(errors)) == (["good.jpg.png"], 1)


@pytest.mark.parametrize("way", [[], ["--stream"], ["--project"], ["--first-polygon"]])
def test_coco_to_via_with_the_images(world, way, capsys):
    data = from_via(read(world / "in" / "via.json")).data
    ann, out = str(write_json(world / "ann.json", data)), world / "out.json"
    assert coco_to_via.main([ann, str(out), "--images", str(world / "in"), *way]) == 0
    said = capsys.readouterr().out
    assert "1 image, 1 instance, 1 region" in said
    assert "turned.jpg: its annotations are for 40 x 30" in said
    assert "turned" not in out.read_text()
    with pytest.raises(DatasetError, match="its annotations are for 40 x 30"):
        coco_to_via.main([ann, str(out), "--images", str(world / "in"), *way, "--strict"])


@pytest.mark.parametrize("near_duplicates", [True, False])
def test_a_split_leaves_it_where_it_is(world, near_duplicates):
    source = read_source(world / "in" / "via.json")
    settings = Settings(near_duplicates=near_duplicates)
    split = plan_split(source, world / "in", SplitFolder(world / "out"), settings)
    assert list(split.subset_of()) == ["good.jpg"]
    assert "turned.jpg: its annotations are for" in split.unreadable[0]


def test_the_review_page_shows_the_reason(world):
    (part,) = annotation_parts(world / "in")
    turned, good = page_images(part.annotations, world / "in", world / "page.html")
    assert "for 40 x 30 pixels" in turned["problem"]
    assert (turned["thumbnail"], bool(good["thumbnail"])) == ("", True)
