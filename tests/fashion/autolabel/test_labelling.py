import threading
import weakref

import pytest

from fashion.annotations.instances import image_instances
from fashion.annotations.via_reading import read
from fashion.autolabel.job import LabelJob, survey
from fashion.autolabel.journal import LabelJournal
from fashion.autolabel.labelling import label_pictures
from fashion.autolabel.policy import LabelPolicy
from fashion.autolabel.report import write_files
from fashion.autolabel.workers.crew import LocalCrew
from fashion.labels import SEASON_TABLE, season_table
from fashion.pictures.listing import file_stamp
from mrcnn.errors import UserError
from tests.fashion.fake_detector import CLASS_NAMES, detect, folder_of_photographs, photograph


def make_job(folder, **values):
    values = {"policy": LabelPolicy(min_confidence=0.8), "batch": 3, **values}
    return LabelJob(images=sorted(folder.iterdir()), class_names=CLASS_NAMES, **values)


def label(job, output, detector=detect, **more):
    """Label what is not labelled yet and write the files; the summary."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with LabelJournal(output.with_suffix(".jsonl"), job.settings(output.parent)) as journal:
        assert label_pictures(job, survey(job, journal), journal, LocalCrew(job, detector), **more)
        return write_files(output, journal, [path.name for path in job.images])


def test_from_photographs_to_via(tmp_path):
    images = tmp_path / "images"
    photograph(
        images / "bag_4mev_1.png",
        [("bag", (5, 5, 30, 30), 0.95), ("skirt", (40, 5, 60, 30), 0.99)],
    )
    photograph(
        images / "boots_kis_1.png",
        [("boots", (5, 5, 30, 25), 0.96), ("footwear", (40, 5, 60, 25), 0.92)],
    )
    photograph(images / "skirt_yaz_1.png", [("bag", (5, 5, 30, 30), 0.95)])
    summary = label(make_job(images), tmp_path / "out.json")
    via = read(tmp_path / "out.json", strict=True)
    assert [image.filename for image in via] == ["bag_4mev_1.png", "boots_kis_1.png"]
    found = {i.filename: image_instances(i, SEASON_TABLE)[0] for i in via}
    assert [(i.class_id, i.score) for i in found["bag_4mev_1.png"]] == [(5, pytest.approx(0.952))]
    assert [SEASON_TABLE.name_of(i.class_id) for i in found["boots_kis_1.png"]] == [
        "footwear_kis"
    ] * 2
    assert (via.images[0].width, via.images[0].height) == (60, 80)
    assert via.images[0].size == (images / "bag_4mev_1.png").stat().st_size
    assert via.images[0].key == f"bag_4mev_1.png{via.images[0].size}"
    assert (summary.images, summary.labelled, summary.instances) == (3, 2, 3)
    assert summary.left_out == {"not found": 1}


def test_all_reasons_are_counted_and_listed(tmp_path):
    images = folder_of_photographs(tmp_path / "images", 40)
    summary = label(make_job(images), tmp_path / "out.json")
    assert summary.labelled + summary.left_out.total() == summary.images == 40
    assert set(summary.left_out) == {"name", "no code", "not found", "uncertain", "unreadable"}
    text = summary.text()
    assert f"left out: {summary.left_out['uncertain']}, the garment was found, but below" in text
    assert "footwear_sonb" in text


def test_all_garments_and_what_has_no_code(tmp_path):
    garments = [("bag", (5, 5, 30, 30), 0.95), ("belt", (40, 5, 50, 30), 0.99)]
    photograph(tmp_path / "images" / "dress_kis_1.png", garments)
    job = make_job(tmp_path / "images", policy=LabelPolicy(all_garments=True))
    summary = label(job, tmp_path / "out.json")
    assert summary.totals()["labels"].keys() == {"bag_kis"}
    assert summary.uncoded == 1


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_batches(tmp_path, batch):
    images = folder_of_photographs(tmp_path / "images", 13)
    sizes = []

    def counting(batch_images):
        sizes.append(len(batch_images))
        return detect(batch_images)

    label(make_job(images, batch=batch), tmp_path / "out.json", counting)
    # 2 of 13 names carry no garment, 2 no code, and one of the rest is no picture
    assert sum(sizes) == 9 and max(sizes) == min(batch, 9)
    label(make_job(images, batch=batch), tmp_path / "out.json", counting)
    assert sum(sizes) == 9, "nothing is labelled twice"


def test_new_and_changed_photographs_are_labelled_and_no_others(tmp_path):
    images = folder_of_photographs(tmp_path / "images", 10)
    seen = []

    def noting(batch):
        seen.extend(batch)
        return detect(batch)

    label(make_job(images, batch=1), tmp_path / "out.json", noting)
    seen.clear()
    photograph(images / "bag_yaz_000.png", [("bag", (5, 5, 50, 50), 0.99)])
    photograph(images / "zz.png")
    photograph(images / "skirt_kis_999.png", [("skirt", (5, 5, 50, 50), 0.99)])
    (images / "skirt_kis_001.png").unlink()
    summary = label(make_job(images, batch=1), tmp_path / "out.json", noting)
    assert len(seen) == 2
    names = [image.filename for image in read(tmp_path / "out.json")]
    assert {"bag_yaz_000.png", "skirt_kis_999.png"} <= set(names)
    assert "skirt_kis_001.png" not in names
    assert summary.images == 11


def test_an_empty_folder_gives_valid_empty_files(tmp_path):
    (tmp_path / "images").mkdir()
    summary = label(make_job(tmp_path / "images"), tmp_path / "out.json")
    assert (summary.images, summary.labelled) == (0, 0)
    assert len(read(tmp_path / "out.json")) == 0
    assert "0 of 0 images labelled" in summary.text()


def test_segments_and_previews(tmp_path):
    images = tmp_path / "images"
    garments = [("bag", (5, 5, 30, 30), 0.95), ("bag", (40, 5, 60, 50), 0.9)]
    photograph(images / "bag_yaz_1.png", garments)
    photograph(images / "bag_yaz_1.jpg", garments[:1])  # PNG in fact; the stem is the other's
    photograph(images / "bag_yaz_2.png")
    (tmp_path / "s").mkdir()
    (tmp_path / "p").mkdir()
    job = make_job(images, segments=tmp_path / "s", previews=tmp_path / "p")
    label(job, tmp_path / "out.json")
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == [
        "bag_yaz_1.jpg_segment_1.jpg",
        "bag_yaz_1.png_segment_1.jpg",
        "bag_yaz_1.png_segment_2.jpg",
    ]
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == [
        "bag_yaz_1.jpg.png",
        "bag_yaz_1.png.png",
        "bag_yaz_2.png",
    ]


def test_what_a_photograph_no_longer_shows_goes_away(tmp_path):
    path = photograph(tmp_path / "images" / "bag_yaz_1.png", [("bag", (5, 5, 30, 30), 0.95)])
    for name in "sp":
        (tmp_path / name).mkdir()
    job = make_job(path.parent, segments=tmp_path / "s", previews=tmp_path / "p")
    label(job, tmp_path / "out.json")
    path.write_bytes(b"no picture")
    label(job, tmp_path / "out.json")
    assert not list((tmp_path / "s").iterdir()) + list((tmp_path / "p").iterdir())


def test_stop_finishes_the_batch(tmp_path):
    images = folder_of_photographs(tmp_path / "images", 24)
    job, stop = make_job(images, batch=4), threading.Event()

    def stopping(batch):
        stop.set()
        return detect(batch)

    with LabelJournal(tmp_path / "j", job.settings(tmp_path)) as journal:
        pictures = survey(job, journal)
        crew = LocalCrew(job, stopping)
        assert not label_pictures(job, pictures, journal, crew, stop=stop)
        named = sum(isinstance(picture.subject[1], str) for picture in pictures)
        unnamed = [p for p in pictures if p.subject[0] in ("name", "no code")]
        assert len(journal) == 4 + len(unnamed) and named


def test_an_error_of_the_detector_keeps_what_was_done(tmp_path):
    images = folder_of_photographs(tmp_path / "images", 24)
    calls = []

    def failing(batch):
        calls.append(batch)
        if len(calls) == 3:
            raise MemoryError("too large")
        return detect(batch)

    job = make_job(images, batch=2)
    with LabelJournal(tmp_path / "j", job.settings(tmp_path)) as journal:
        with pytest.raises(MemoryError):
            label_pictures(job, survey(job, journal), journal, LocalCrew(job, failing))
        assert len(journal) > 0
        assert label_pictures(job, survey(job, journal), journal, LocalCrew(job, detect))
        assert len(journal) == 24


def test_memory_does_not_grow_with_the_number_of_photographs(tmp_path):
    images = folder_of_photographs(tmp_path / "images", 60)
    alive, most = [], [0]

    def watching(batch):
        results = detect(batch)
        for result in results:
            alive.append(1)
            weakref.finalize(result["masks"], alive.pop)
        most[0] = max(most[0], len(alive))
        return results

    label(make_job(images, batch=2), tmp_path / "out.json", watching)
    assert 2 <= most[0] <= 6  # a batch at hand, one being recorded, one whose records are kept


def test_labels_beyond_the_nine_are_written_too(tmp_path):
    photograph(tmp_path / "images" / "dress_kis_1.png", [("dress", (5, 5, 30, 30), 0.95)])
    label(make_job(tmp_path / "images"), tmp_path / "out.json")
    (image,) = read(tmp_path / "out.json").images
    (instance,), _ = image_instances(image, season_table(["dress_kis"]))
    assert image.regions[0].attributes["fashion"] == "49" and instance.class_id == 1


def test_a_full_disk_while_the_final_files_are_written(tmp_path):
    images = folder_of_photographs(tmp_path / "images", 6)
    job = make_job(images)
    with LabelJournal(tmp_path / "j", job.settings(tmp_path)) as journal:
        label_pictures(job, survey(job, journal), journal, LocalCrew(job, detect))
        with pytest.raises(UserError, match="no label is lost: those of 6 images are in"):
            write_files(tmp_path / "gone" / "out.json", journal, [p.name for p in job.images])


def test_stamps(tmp_path):
    assert file_stamp(tmp_path / "gone") == []
    (tmp_path / "a").write_text("abc")
    assert file_stamp(tmp_path / "a")[0] == 3
