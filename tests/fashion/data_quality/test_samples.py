import numpy as np
from PIL import Image

from fashion.annotations import via
from fashion.annotations.locating import AnnotationPart
from fashion.data_quality import samples as label_samples
from fashion.labels import MODANET_TABLE
from tests.fashion.factories import entry, region, write_image

CORNER = [(0, 0), (20, 0), (20, 15), (0, 15)]


def part(folder, *entries, subset=""):
    data = via.from_json({str(i): e for i, e in enumerate(entries)})
    return AnnotationPart(subset, data, folder)


def many(tmp_path):
    """Thirty images with a bag, the last one with a belt."""
    entries = [entry(f"{i}.jpg", [region(label="bag")]) for i in range(29)]
    entries.append(entry("29.jpg", [region(label="belt")]))
    for one in entries:
        write_image(tmp_path / one["filename"])
    return part(tmp_path, *entries)


def test_rare_classes_are_among_the_first(tmp_path):
    parts = [many(tmp_path)]
    for seed in range(4):
        names = [
            sample.image.filename
            for sample in label_samples.choose_samples(parts, MODANET_TABLE, 5, seed)
        ]
        assert len(set(names)) == 5
        assert "29.jpg" in names[:2]


def test_the_seed_decides(tmp_path):
    parts = [many(tmp_path)]

    def chosen(seed):
        samples = label_samples.choose_samples(parts, MODANET_TABLE, 5, seed)
        return [sample.image.filename for sample in samples]

    assert chosen(1) == chosen(1) != chosen(2)


def test_images_that_cannot_be_shown_are_not_chosen(tmp_path):
    write_image(tmp_path / "empty.jpg")
    parts = [part(tmp_path, entry("empty.jpg"), entry("gone.jpg", [region()]))]
    parts.append(part(None, entry("a.jpg", [region()])))
    assert label_samples.choose_samples(parts, MODANET_TABLE, 5) == []
    assert label_samples.write_samples([], MODANET_TABLE, tmp_path / "out") == ([], [])


def test_masks_lie_where_the_outlines_are(tmp_path):
    write_image(tmp_path / "a.jpg", 300, 200)
    data = part(tmp_path, entry("a.jpg", [region(CORNER, label="bag")], size=(300, 200)))
    (sample,) = label_samples.choose_samples([data], MODANET_TABLE, 1)
    drawn = label_samples.draw_sample(sample, MODANET_TABLE)
    assert drawn.shape == (200, 300, 3)
    changed = (np.abs(drawn.astype(int) - 128) > 8).any(axis=2)
    assert changed[1:15, 1:20].all()
    assert not changed[60:].any()
    red, green, blue = drawn[8, 10].astype(int)  # bags are red
    assert red > green + 30
    assert red > blue + 30


def test_files_are_named_after_subset_and_image(tmp_path):
    write_image(tmp_path / "deep" / "a.jpg")
    write_image(tmp_path / "b.png", orientation=6)
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    entries = [entry(name, [region()], size=None) for name in ("deep/a.jpg", "b.png", "c.jpg")]
    samples = label_samples.choose_samples(
        [part(tmp_path, *entries, subset="val")], MODANET_TABLE, 9
    )
    written, errors = label_samples.write_samples(samples, MODANET_TABLE, tmp_path / "out")
    assert sorted(path.name for path in written) == ["val_b.png.png", "val_deep_a.jpg.png"]
    with Image.open(tmp_path / "out" / "val_b.png.png") as image:
        assert image.size == (30, 40)  # upright
    (error,) = errors
    assert "c.jpg" in error
