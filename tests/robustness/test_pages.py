"""Pages that are written: whatever classes, files and labels are called, it is text in them."""

import json
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fashion.html.charts import bar_cell, cell, confusion_table, line_chart, table
from fashion.html.gallery import gallery, picture
from fashion.html.page import link, page_file
from fashion.review.page import FILE_POLICY
from fashion.review.page import write_page as write_review
from mrcnn.inspection.page import Section
from mrcnn.inspection.page import write_page as write_inspection
from tests.fashion.chromium import Chromium
from tests.fashion.factories import entry, region, write_image
from tests.fashion.review.test_page import data as review_data
from tests.fashion.review.test_page import write as review_of
from tests.robustness.hostile import quick, thorough

ATTACKS = [
    "</script><script>document.title=1</script>",
    "<img src=x onerror=document.title=1>",
    '" onmouseover="document.title=1',
    "' autofocus onfocus='document.title=1",
    "</style><svg onload=document.title=1>",
    "<!--<script>",
    "]]><script>",
    "&lt;script&gt;&#60;b&#62;",
    "javascript:document.title=1",
    "/*IMAGES*/",
    "/*ABOUT*/ /*STYLE*/ /*SCRIPT*/ {{title}}",
    "\\u003cscript\\u003e",
    "${document.title=1} `${1}`",
    "a\u2028\u2029b",
    "__proto__",
    "constructor",
    "a\"b'c<d>e&f",
]
names = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(max_size=12),
    st.lists(st.sampled_from(["<", ">", "\"", "'", "&", "/*", "*/", "{{", "}}", "\\", "script",
                              "title", "IMAGES", "\u2028", "=", " "]), max_size=8).map("".join),
).filter(lambda name: not any("\ud800" <= c <= "\udfff" for c in name))  # fmt: skip


class Skeleton(HTMLParser):
    """The tags of a page with the names of their attributes, and its texts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.links = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, tuple(name for name, _ in attributes)))
        self.links += [value for name, value in attributes if name in ("href", "src", "action")]

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        self.tags.append(("/" + tag, ()))

    def handle_comment(self, data):
        self.tags.append(("!--", ()))

    def handle_decl(self, data):
        self.tags.append(("!" + data.lower(), ()))

    def handle_data(self, data):
        self.texts.append(data)


def require_text_only(make, name: str) -> None:
    """The page made with a hostile name has the tags of the one made with a harmless name."""
    hostile, harmless = Skeleton(make(name)), Skeleton(make("name"))
    assert hostile.tags == harmless.tags
    assert not [v for v in hostile.links if v and v.lower().startswith("javascript:")]


# --- the pieces that pages are made of ------------------------------------------------------


def pieces(name: str) -> str:
    confusion = {
        "labels": ["background", name, name + "x"],
        "matrix": [[0, 1, 2], [1, 5, 0], [2, 0, 6]],
        "iou": 0.5,
        "score": 0.5,
    }
    return (
        table([name, "b"], [[name, cell(name)], [name, bar_cell(0.5)]], name, name)
        + confusion_table(confusion, {name: "#ff0000", name + "x": "#00ff00"})
        + line_chart(name, [(name, "train", [(1, 2.0), (2, 1.0)])])
    )


def check_pieces(name: str) -> None:
    require_text_only(pieces, name)


@quick
@given(names)
def test_tables_and_charts(name):
    check_pieces(name)


@pytest.mark.slow
@thorough
@given(names)
def test_tables_and_charts_thousands(name):
    check_pieces(name)


@pytest.mark.parametrize("name", [*ATTACKS, "\udcff", "javascript:alert(1).png"])
def test_links_and_pictures(tmp_path, name):
    """Also of files whose names are no text."""
    page = tmp_path / "index.html"
    path = tmp_path / "x" / (name.replace("/", "") + ".png")
    assert link(path, page).startswith("x/")
    assert not set("<>\"' ") & set(link(path, page))
    write_image(path)
    for drawn in (picture(path, page, 60, name), gallery([path], page, "singles", name, 2)):
        assert [tag for tag, _ in Skeleton(drawn).tags if tag == "script"] == []
        assert all(name[:2] != "on" for _, names in Skeleton(drawn).tags for name in names)
        drawn.encode()


# --- whole pages ----------------------------------------------------------------------------


def inspection(path, name: str) -> str:
    section = Section(name, name, name, [name], [(name, name)], [(name, [[name], [name]])], [name])
    write_inspection(path, name, name, [section])
    return path.read_text(encoding="utf-8")


def check_inspection(path, name: str) -> None:
    require_text_only(lambda text: inspection(path, text), name)


@quick
@given(names)
def test_inspection(tmp_path_factory, name):
    check_inspection(tmp_path_factory.getbasetemp() / "inspection.html", name or "name")


def review(page, name: str) -> str:
    """The review page of one image, in which everything that can have a name has this one."""
    image = {"name": name, "link": name, "thumbnail": "", "problem": name, "width": 4, "height": 3}
    image["instances"] = [{"key": name, "label": name, "score": 0.5, "outline": "M0 0L1 1Z"}]
    write_review(page, [image], annotations=name, digest="0", labels=[name])
    return page.read_text(encoding="utf-8")


def check_review(page, name: str) -> None:
    text = review(page, name)
    (image,) = review_data(page)
    assert image["name"] == image["instances"][0]["label"] == name
    about = json.loads(text.split('id="about">')[1].split("</script>")[0])
    assert (about["annotations"], list(about["colours"])) == (name, [name])
    # Not Skeleton's equality: a script's text is data, which a real parser does not look into.
    assert text.count("</script>") == 3
    head = text.split("<style>")[0]
    assert Skeleton(head).tags == Skeleton(review(page, "name").split("<style>")[0]).tags


@quick
@given(names)
@example("/*IMAGES*/")
@example("{{title}}</script>")
def test_review(tmp_path_factory, name):
    check_review(tmp_path_factory.getbasetemp() / "review.html", name)


@pytest.mark.slow
@thorough
@given(names)
def test_review_thousands(tmp_path_factory, name):
    check_review(tmp_path_factory.getbasetemp() / "review.html", name)


def test_the_attacks_in_a_browser(tmp_path):
    """All of them as labels of one page: nothing runs, nothing is asked for, each is shown."""
    entries = [
        entry(f"{number}.jpg", [region(label=attack, score="0.5", instance=attack)])
        for number, attack in enumerate(ATTACKS)
    ]
    page = review_of(tmp_path, entries)
    with Chromium() as browser:
        browser.open(page)
        browser.run("new Promise(done => setTimeout(done, 300))")
        labels = browser.run("[...document.querySelectorAll('li .label')].map(e => e.textContent)")
        assert sorted(labels) == sorted(attack.strip() for attack in ATTACKS)
        assert browser.run("document.title") == "Review of auto.json"
        assert browser.run("Object.prototype.hasOwnProperty('accept')") is False
        assert browser.faults() == []


@pytest.mark.parametrize("name", ["review", "pipeline", "evaluation"])
def test_pages_load_nothing_from_elsewhere(name):
    """Their content security policy, which holds even where escaping would fail one day."""
    text = page_file(f"{name}.html")
    policy = text.split('Content-Security-Policy" content="')[1].split('"')[0]
    if name == "review":  # one policy as a file, another from a server
        assert policy == "/*POLICY*/"
        policy = FILE_POLICY
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy and "*" not in policy
