import numpy as np
import pytest

from fashion.autolabel.policy import LabelPolicy, LeftOut, Subject, choose, subject_of
from fashion.labels import MODANET_TABLE
from mrcnn.errors import ConfigError

NAMES = ["background", *MODANET_TABLE.names]


def found(**scores):
    """Detections by class name: `bag=0.9` or `bag=(0.9, 0.8)`; sorted by score as detect does."""
    pairs = [(s, n) for n, given in scores.items() for s in np.atleast_1d(given)]
    pairs.sort(reverse=True)
    return {
        "class_ids": np.array([MODANET_TABLE.id_of(n) for _, n in pairs], np.int32),
        "scores": np.array([s for s, _ in pairs], np.float32),
    }


def chosen(result, name, **policy):
    policy = LabelPolicy(**policy)
    choice = choose(result, NAMES, subject_of(name, policy), policy)
    return [(pick.label, pick.code) for pick in choice.picks], choice


@pytest.mark.parametrize(
    ("name", "policy", "subject"),
    [
        ("bag_4mev_112.jpg", {}, Subject("bag", "4mev")),
        ("Skirt_YAZ_3.JPG", {}, Subject("skirt", "yaz")),  # case does not matter
        ("boots_kis_1.png", {}, Subject("boots", "kis")),
        ("bag_yaz_1.png", {"all_garments": True}, Subject(None, "yaz")),
        # names that carry one of the two, and what the user says for the other
        ("bag_17.png", {"season": "kis"}, Subject("bag", "kis")),
        ("bag.png", {"season": "kis"}, Subject("bag", "kis")),
        ("yaz_17.png", {"garment": "bag"}, Subject("bag", "yaz")),
        ("holiday_yaz_17.png", {"garment": "any"}, Subject(None, "yaz")),
        ("holiday_yaz_17.png", {"all_garments": True}, Subject(None, "yaz")),
        # and for both
        ("IMG_1.png", {"garment": "dress", "season": "sonb"}, Subject("dress", "sonb")),
        ("IMG_1.png", {"all_garments": True, "season": "sonb"}, Subject(None, "sonb")),
        # what the name carries wins over what the user says for names that carry nothing
        ("bag_yaz_1.png", {"garment": "dress", "season": "sonb"}, Subject("bag", "yaz")),
    ],
)
def test_what_a_name_says(name, policy, subject):
    assert subject_of(name, LabelPolicy(**policy)) == subject


@pytest.mark.parametrize(
    ("name", "policy", "why"),
    [
        ("IMG_1.png", {}, "name"),
        ("bag_1.png", {}, "name"),
        ("bag_1.png", {"garment": "any"}, "name"),  # still no season
        ("IMG_yaz.png", {"season": "kis"}, "name"),  # still no garment
        ("belt_yaz_1.png", {}, "no code"),
        ("scarf_yaz_1.png", {}, "no code"),
    ],
)
def test_names_that_say_too_little(name, policy, why):
    left_out = subject_of(name, LabelPolicy(**policy))
    assert isinstance(left_out, LeftOut) and left_out.why == why
    assert name in left_out.detail or name.split("_")[0] in left_out.detail


def test_every_garment_of_the_name_is_labelled_and_no_other():
    result = found(bag=(0.99, 0.91), skirt=0.95, boots=0.97)
    assert chosen(result, "bag_yaz_1.jpg")[0] == [("bag_yaz", 2), ("bag_yaz", 2)]
    assert chosen(result, "skirt_yaz_1.jpg")[0] == [("skirt_yaz", 32)]


@pytest.mark.parametrize("name", ["boots_kis_1.jpg", "footwear_kis_1.jpg"])
def test_boots_count_as_footwear(name):
    picks, _ = chosen(found(boots=0.95, footwear=0.93), name)
    assert picks == [("footwear_kis", 9), ("footwear_kis", 9)]


def test_the_nine_labels_get_their_nine_codes():
    garments = {"skirt", "bag", "footwear", "top", "shorts"}
    names = "skirt_yaz bag_yaz footwear_sonb top_yaz bag_4mev footwear_yaz footwear_kis shorts_yaz "
    names += "skirt_ilkb"
    picks = [chosen(found(**dict.fromkeys(garments, 0.99)), f"{n}_1.jpg")[0] for n in names.split()]
    assert [pick[0][0] for pick in picks] == names.split()
    assert [pick[0][1] for pick in picks] == [32, 2, 8, 22, 5, 7, 9, 27, 31]


def test_class_names_decide_and_not_numbers():
    names = ["background", "person", "bag"]
    result = {"class_ids": [1, 2], "scores": [0.99, 0.98]}
    choice = choose(result, names, Subject("bag", "yaz"), LabelPolicy())
    assert [pick.index for pick in choice.picks] == [1]
    # a class that is not a garment has no label
    choice = choose(result, names, Subject(None, "yaz"), LabelPolicy())
    assert [pick.label for pick in choice.picks] == ["bag_yaz"]
    assert choice.uncoded == 1


def test_all_garments_get_the_season_of_the_name():
    result = found(bag=0.99, dress=0.95, belt=0.97, boots=0.4)
    picks, choice = chosen(result, "bag_kis_1.jpg", all_garments=True)
    assert picks == [("bag_kis", 4), ("dress_kis", 49)]
    assert choice.uncoded == 1  # the belt


@pytest.mark.parametrize(
    ("fallback", "picks", "why", "note"),
    [
        ("skip", [], "uncertain", ""),
        ("best", [("bag_yaz", 2)], "", "best detection below 0.9"),
        ("all", [("dress_yaz", 47)], "", "no bag found: all garments"),
    ],
)
def test_fallback_for_low_scores(fallback, picks, why, note):
    result = found(bag=(0.8, 0.7, 0.3), dress=0.95)
    got, choice = chosen(result, "bag_yaz_1.jpg", fallback=fallback)
    assert (got, choice.why, choice.note) == (picks, why, note)
    expected = [0.7] if fallback == "best" else [0.8, 0.7]  # .3 is below --low-confidence
    assert choice.uncertain == pytest.approx(expected)


@pytest.mark.parametrize("fallback", ["skip", "best", "all"])
def test_nothing_found(fallback):
    picks, choice = chosen(found(), "bag_yaz_1.jpg", fallback=fallback)
    assert (picks, choice.why, choice.note) == ([], "not found", "")


def test_a_fallback_that_finds_only_garments_without_code():
    picks, choice = chosen(found(belt=0.99), "bag_yaz_1.jpg", fallback="all")
    assert (picks, choice.why, choice.note, choice.uncoded) == ([], "no code", "", 1)


def test_the_confidence_itself_is_enough():
    result = {"class_ids": np.int32([1]), "scores": np.array([0.9])}
    assert chosen(result, "bag_yaz_1.jpg", min_confidence=0.9)[0]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"min_confidence": 1.5}, "expected a number from 0 to 1, found 1.5"),
        ({"low_confidence": -1}, "expected a number from 0 to 1, found -1"),
        ({"fallback": "guess"}, "expected one of skip, best, all, found guess"),
        ({"season": "may"}, "expected one of .*yaz.*, found may"),
        ({"garment": "hat box"}, "expected bag, .* or any, found hat box"),
    ],
)
def test_bad_policies(values, reason):
    (name,) = values
    with pytest.raises(ConfigError, match=f"^{name} cannot be used: {reason}") as raised:
        LabelPolicy(**values)
    assert "--option cannot be used" in raised.value.sentence({name: "--option"})


def test_detections_are_wanted_down_to_the_lower_of_both_scores():
    assert LabelPolicy(min_confidence=0.9).least_score == 0.5
    assert LabelPolicy(min_confidence=0.3).least_score == 0.3


@pytest.mark.parametrize("name", ["IMG_0042.jpg", "bag_yaz_1.jpg"])
def test_garments_need_no_season_and_no_name(name):
    labels, choice = chosen(found(bag=0.95, belt=0.93, boots=0.4), name, labels="garments")
    assert labels == [("bag", 1), ("belt", 2)]
    assert (choice.why, choice.uncoded) == ("", 0)
    labels, _ = chosen(found(bag=0.95, belt=0.93), name, labels="garments", garment="belt")
    assert labels == [("belt", 2)]
    labels, choice = chosen(found(), name, labels="garments")
    assert (labels, choice.why) == ([], "not found")


def test_own_classes_are_labelled_by_their_names():
    policy = LabelPolicy(labels="garments", garment="sneaker")
    names = ["background", "blazer", "sneaker"]
    policy.require_class(names)
    result = {"class_ids": np.array([2, 1]), "scores": np.array([0.95, 0.94])}
    choice = choose(result, names, subject_of("IMG_1.jpg", policy), policy)
    assert [(pick.label, pick.code) for pick in choice.picks] == [("sneaker", 2)]
    with pytest.raises(ConfigError, match="one of bag, belt"):
        policy.require_class(NAMES)
    with pytest.raises(ConfigError, match=r"the model finds none of them \(blazer, sneaker, ..."):
        LabelPolicy().require_class(names)
    LabelPolicy().require_class(NAMES)


def test_a_record_names_labels_only_where_they_are_not_the_default():
    assert "labels" not in LabelPolicy().to_json()
    assert LabelPolicy(labels="garments").to_json()["labels"] == "garments"
    with pytest.raises(ConfigError, match="seasons, garments"):
        LabelPolicy(labels="colours")
