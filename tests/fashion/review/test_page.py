"""The review page: as a file, and in a browser where Chromium is installed."""

import json
import time

import pytest

from fashion.annotations.via_reading import read
from fashion.json_files import file_digest
from fashion.labels import MODANET_TABLE
from fashion.review.page import instance_key, page_colours, page_images, write_page
from tests.fashion.chromium import Chromium
from tests.fashion.factories import SQUARE, entry, region, write_image, write_json

NASTY = '</script><img src=x onerror="document.title=1"> & \u2028 \'"'


def auto(label, score, instance, points=SQUARE, **more):
    return region(points, fashion="2", label=label, score=str(score), instance=instance, **more)


def write(folder, entries, **more):
    """Images, annotations and page of VIA entries; the page."""
    path = write_json(folder / "auto.json", {str(i): e for i, e in enumerate(entries)})
    for one in entries:
        if "missing" not in one["filename"]:
            size = one["file_attributes"]
            path_of = folder / one["filename"].replace("/", "_")
            write_image(path_of, size.get("width", 40), size.get("height", 30))
    annotations, page = read(path), folder / "review.html"
    labels = [r.attributes["label"] for image in annotations for r in image.regions]
    images = page_images(annotations, folder, page, **more)
    write_page(page, images, annotations=path.name, digest=file_digest(path), labels=labels)
    return page


def three_images(folder, **more):
    hole = [(12, 12), (15, 12), (15, 15), (12, 15)]
    return write(
        folder,
        [
            entry("bag_yaz_1.jpg", [auto("bag_yaz", 0.95, "1"), auto("bag_yaz", 0.71, "2")]),
            entry(
                "skirt_kis_1.jpg",
                [auto("skirt_kis", 0.99, "1"), auto("skirt_kis", 0.99, "1", hole, hole="1")],
            ),
            entry("top_yaz_10.jpg", [auto("top_yaz", 0.85, "1")]),
            entry("top_yaz_9.jpg", [auto("top_yaz", 0.85, "1")]),
        ],
        **more,
    )


def data(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(text.split('id="images">')[1].split("</script>")[0])


def test_labels_have_the_colours_of_the_drawings():
    assert page_colours(["outer", "bag"]) == {
        name: "#{:02x}{:02x}{:02x}".format(*MODANET_TABLE.find(name).colour)
        for name in ("bag", "outer")
    }
    assert len(set(page_colours(["sneaker", "bag", "jumper"]).values())) == 3
    assert page_colours([]) == {}


def test_all_is_in_the_page(tmp_path):
    page = three_images(tmp_path)
    images = data(page)
    assert [image["name"] for image in images] == [
        "bag_yaz_1.jpg",
        "skirt_kis_1.jpg",
        "top_yaz_10.jpg",
        "top_yaz_9.jpg",
    ]
    assert all(image["thumbnail"].startswith("data:image/jpeg;base64,") for image in images)
    bags, (skirt,) = images[0]["instances"], images[1]["instances"]
    assert [(bag["key"], bag["score"]) for bag in bags] == [("1", 0.95), ("2", 0.71)]
    assert skirt["outline"].count("M") == 2, "the hole is part of the instance's outline"
    text = page.read_text(encoding="utf-8")
    assert "http:" not in text.replace("http://www.w3.org/2000/svg", "") and "https:" not in text


def test_thumbnails_are_small_and_pictures_not_enlarged(tmp_path):
    small = three_images(tmp_path, size=16).stat().st_size
    assert data(tmp_path / "review.html")[0]["width"] == 40  # of the image, not the thumbnail
    assert three_images(tmp_path, size=1000).stat().st_size > small


def test_an_image_that_cannot_be_read_is_reported(tmp_path):
    page = write(tmp_path, [entry("missing.jpg", [auto("bag_yaz", 0.9, "1")])])
    (image,) = data(page)
    assert image["thumbnail"] == "" and "missing.jpg" in image["problem"]
    assert str(tmp_path) not in image["problem"]


def test_no_image(tmp_path):
    assert data(write(tmp_path, [])) == []


def test_regions_without_instance_are_known_by_their_number(tmp_path):
    write_json(tmp_path / "a.json", {"0": entry("a.jpg", [region(), region()])})
    regions = read(tmp_path / "a.json").images[0].regions
    assert [instance_key([r]) for r in regions] == ["region 1", "region 2"]


# ---- in a browser ----


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


def shown(browser):
    names = "[...document.querySelectorAll('article .name')].map(e => e.textContent)"
    return browser.run(names)


def choose(browser, control, value):
    event = "change" if control in ("label", "decision", "sort") else "input"
    browser.run(
        f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('{event}')); }})"
        f"(document.getElementById('{control}'))"
    )
    return shown(browser)


def click(browser, selector):
    browser.run(f"document.querySelector({json.dumps(selector)}).click()")


def status(browser):
    return browser.run("document.getElementById('status').textContent").split(" · ")[1]


def exported(browser, folder):
    browser.downloads(folder)
    click(browser, "#export")
    for _ in range(100):
        files = list(folder.glob("decisions*.json"))
        if files:
            return json.loads(files[0].read_text())
        time.sleep(0.1)
    raise AssertionError("no decision list was downloaded")


def test_sorting_and_filtering(tmp_path, browser):
    browser.open(three_images(tmp_path))
    bag, skirt, nine, ten = "bag_yaz_1.jpg", "skirt_kis_1.jpg", "top_yaz_9.jpg", "top_yaz_10.jpg"
    assert shown(browser) == [bag, nine, ten, skirt], "the least certain first"
    assert choose(browser, "sort", "high") == [skirt, bag, nine, ten]
    assert choose(browser, "sort", "name") == [bag, skirt, nine, ten]
    assert choose(browser, "label", "top_yaz") == [nine, ten]
    assert choose(browser, "label", "") == [bag, skirt, nine, ten]
    assert choose(browser, "most", "0.8") == [bag]
    assert browser.run("document.querySelectorAll('li.dim').length") == 1  # the surer bag
    assert choose(browser, "least", "0.75") == []
    assert "No label fits" in browser.run("document.querySelector('main').textContent")
    choose(browser, "least", "")
    choose(browser, "most", "")
    assert choose(browser, "text", "KIS") == [skirt]
    assert browser.faults() == []


def test_deciding_undoing_remembering_and_exporting(tmp_path, browser):
    page = three_images(tmp_path)
    browser.open(page)
    assert status(browser) == "0 accepted, 0 rejected, 5 undecided"
    click(browser, "article li:nth-child(2) .no")  # the bag with .71
    click(browser, "article li:nth-child(1) .yes")
    assert status(browser) == "1 accepted, 1 rejected, 3 undecided"
    assert browser.run("document.querySelectorAll('path.reject').length") == 1
    choose(browser, "label", "top_yaz")
    click(browser, "#rejectShown")
    assert status(browser) == "1 accepted, 3 rejected, 1 undecided"
    click(browser, "#undo")
    assert status(browser) == "1 accepted, 1 rejected, 3 undecided"
    # by key: reject the second of the two that are shown
    browser.run("document.querySelectorAll('li')[0].focus()")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowDown")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="r", text="r")
    assert status(browser) == "1 accepted, 2 rejected, 2 undecided"
    assert choose(browser, "decision", "reject") == ["top_yaz_10.jpg"]
    browser.open(page)  # closed and opened again
    assert status(browser) == "1 accepted, 2 rejected, 2 undecided"
    written = exported(browser, tmp_path)
    assert written.pop("times").keys() >= written["images"].keys()
    assert written == {
        "format": "label decisions",
        "annotations": "auto.json",
        "sha256": file_digest(tmp_path / "auto.json"),
        "images": {
            "bag_yaz_1.jpg": {"1": "accept", "2": "reject"},
            "top_yaz_10.jpg": {"1": "reject"},
        },
    }
    assert browser.faults() == []


def test_the_overlay_lies_on_the_garment(tmp_path, browser):
    browser.open(three_images(tmp_path), width=390, height=800)
    boxes = browser.run(
        "(() => { const box = e => { const b = e.getBoundingClientRect();"
        " return [b.x, b.y, b.width, b.height]; };"
        " const a = document.querySelector('article');"
        " return [box(a.querySelector('img')), box(a.querySelector('path'))]; })()"
    )
    (x, y, width, height), (left, top, wide, high) = boxes
    scale = width / 40
    assert height == pytest.approx(30 * scale, abs=1)
    # the square of 10 to 20 pixels; a stroke does not count
    assert (left - x, top - y) == pytest.approx((10 * scale, 10 * scale), abs=1)
    assert (wide, high) == pytest.approx((10 * scale, 10 * scale), abs=1)
    assert browser.run("document.documentElement.scrollWidth") <= 390, "nothing sticks out"


def test_the_larger_picture_opens_and_closes(tmp_path, browser):
    browser.open(three_images(tmp_path))
    click(browser, ".picture")
    assert browser.run("document.getElementById('large').open")
    assert browser.run("document.querySelectorAll('#large path').length") == 2
    click(browser, "#large .picture")
    assert not browser.run("document.getElementById('large').open")


def import_list(browser, images, times=None, when=0):
    """Import a decision list of the page's own annotations."""
    list_ = {"format": "label decisions", "images": images} | ({"times": times} if times else {})
    browser.run(
        f"(async () => {{ const data = {json.dumps(list_)}; data.sha256 = about.sha256;"
        f" const file = new File([JSON.stringify(data)], 'd.json', {{lastModified: {when}}});"
        " Object.defineProperty(byId('file'), 'files', {value: [file], configurable: true});"
        " await byId('file').onchange(); })()"
    )


def test_an_import_is_merged_and_can_be_undone(tmp_path, browser):
    browser.open(three_images(tmp_path))
    browser.run("localStorage.clear()")
    browser.open(tmp_path / "review.html")
    click(browser, "article li:nth-child(2) .no")
    import_list(browser, {"bag_yaz_1.jpg": {"1": "accept", "2": "accept"}}, when=5)
    assert status(browser) == "1 accepted, 1 rejected, 3 undecided", "the later counts"
    click(browser, "#undo")
    assert status(browser) == "0 accepted, 1 rejected, 4 undecided"
    late = 2**52
    import_list(browser, {"bag_yaz_1.jpg": {"2": "accept"}}, {"bag_yaz_1.jpg": {"2": late}})
    assert status(browser) == "1 accepted, 0 rejected, 4 undecided"
    click(browser, "article li:nth-child(2) .no")
    assert status(browser) == "0 accepted, 1 rejected, 4 undecided", "a click counts at once"
    assert browser.faults() == []


def test_two_windows_and_a_page_of_a_part_lose_nothing(tmp_path, browser):
    page = three_images(tmp_path)
    browser.open(page)
    browser.run("localStorage.clear()")
    browser.open(page)
    other = {
        "images": {"bag_yaz_1.jpg": {"1": "accept"}, "not on this page.jpg": {"1": "reject"}},
        "times": {"bag_yaz_1.jpg": {"1": 7}, "not on this page.jpg": {"1": 7}},
    }
    # What another window stores while this one is open.
    browser.run(f"localStorage.setItem(MEMORY, {json.dumps(json.dumps(other))})")
    click(browser, "article li:nth-child(2) .no")
    assert status(browser) == "1 accepted, 1 rejected, 3 undecided"
    click(browser, "article li:nth-child(2) .no")  # taken back, which is a decision too
    images = exported(browser, tmp_path)["images"]
    assert images == other["images"]
    browser.open(page)
    assert status(browser) == "1 accepted, 0 rejected, 4 undecided"


def test_full_storage_is_said(tmp_path, browser):
    browser.open(three_images(tmp_path))
    assert browser.run("byId('warning').hidden")
    browser.run("Storage.prototype.setItem = () => { throw new Error('full'); }")
    click(browser, "article li:nth-child(2) .no")
    assert not browser.run("byId('warning').hidden")


def test_deciding_in_the_larger_picture(tmp_path, browser):
    browser.open(three_images(tmp_path))
    browser.run("localStorage.clear()")
    browser.open(tmp_path / "review.html")
    click(browser, ".picture")
    click(browser, "#largeAccept")
    assert status(browser) == "2 accepted, 0 rejected, 3 undecided"
    click(browser, "#large li:nth-child(1) .no")
    assert status(browser) == "1 accepted, 1 rejected, 3 undecided"
    click(browser, "#largeNext")
    assert browser.run("document.querySelector('#large .name').textContent") == "top_yaz_9.jpg"
    click(browser, "#largeReject")
    click(browser, "#largePrevious")
    assert browser.run("document.querySelectorAll('#large li.reject').length") == 1
    assert browser.faults() == []


def test_a_label_of_a_few_pixels_can_be_seen(tmp_path, browser):
    corners = [(1000, 500), (1008, 500), (1008, 508), (1000, 508)]
    regions = [
        region(corners, label="bag_yaz"),
        region([(0, 0), (900, 0), (0, 900)], label="bag_yaz"),
    ]
    browser.open(write(tmp_path, [entry("large.jpg", regions, size=(2000, 1000))]))
    width = "document.querySelector('article circle').getBoundingClientRect().width"
    assert browser.run("document.querySelectorAll('article circle').length") == 1
    assert browser.run(width) >= 8


def test_names_are_text_and_nothing_else(tmp_path, browser):
    entries = [entry(f"{NASTY}.jpg".replace("/", ""), [auto(NASTY, 0.9, NASTY)])]
    (tmp_path / "x").mkdir()
    page = write(tmp_path, entries)
    browser.open(page)
    time.sleep(0.2)
    assert browser.run("document.title") == "Review of auto.json"
    assert browser.run("document.querySelectorAll('article').length") == 1
    assert browser.run("document.querySelector('li .label').textContent") == NASTY
    assert browser.run("document.querySelectorAll('article img').length") <= 1
    assert browser.faults() == []


def test_thousands_of_images_are_drawn_as_they_come_into_sight(tmp_path, browser):
    many = [entry("bag_yaz_1.jpg", [auto("bag_yaz", 0.9, str(i))]) for i in range(3)]
    page = write(tmp_path, many[:1])
    text = page.read_text(encoding="utf-8")
    line = json.dumps(data(page)[0])
    page.write_text(text.replace(line, ",\n".join([line] * 3000)), encoding="utf-8")
    browser.open(page)
    assert len(shown(browser)) < 300
    browser.run(
        "window.scrollTo(0, document.body.scrollHeight); new Promise(r => setTimeout(r, 300))"
    )
    assert 48 < len(shown(browser)) < 600
