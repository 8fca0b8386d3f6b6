"""The order in which the layers of a drawn picture are painted, from back to front."""

from fashion.demo.canvas import Canvas
from fashion.demo.figure import SIDES, Figure
from fashion.demo.garments.accessories import paint_belt, paint_scarf, paint_sunglasses
from fashion.demo.garments.bags import IN_HAND, paint_hand_bag, paint_strapped_bag
from fashion.demo.garments.bottoms import paint_skirt, paint_trousers
from fashion.demo.garments.hats import paint_hat
from fashion.demo.garments.outer import paint_lining, paint_outer
from fashion.demo.garments.shoes import paint_pair
from fashion.demo.garments.tops import paint_dress, paint_sleeve, paint_top
from fashion.demo.outfit import Outfit
from fashion.demo.person import (
    Person,
    paint_arm,
    paint_body,
    paint_hair,
    paint_hair_behind,
    paint_hand,
    paint_head,
)


def paint_figure(canvas: Canvas, figure: Figure, person: Person, outfit: Outfit) -> None:
    """The dressed person over the background."""
    paint_hair_behind(canvas, figure, person)
    if (outer := outfit.get("outer")) is not None:
        paint_lining(canvas, figure, outer)
    paint_body(canvas, figure, person)
    _paint_below_the_waist(canvas, figure, outfit)
    _paint_trunk(canvas, figure, outfit)
    for side in SIDES:
        _paint_arm(canvas, figure, person, outfit, side)
    _paint_above_the_neck(canvas, figure, person, outfit)


def _paint_below_the_waist(canvas: Canvas, figure: Figure, outfit: Outfit) -> None:
    shoes, boots, top = outfit.get("footwear"), outfit.get("boots"), outfit.get("top")
    if shoes is not None:
        paint_pair(canvas, figure, shoes)
    if boots is not None and not outfit.over:
        paint_pair(canvas, figure, boots)
    if boots is not None and outfit.over and "pants" not in outfit:
        paint_pair(canvas, figure, boots)
    if top is not None and outfit.tucked:
        paint_top(canvas, figure, top)
    _paint_bottoms(canvas, figure, outfit)
    if boots is not None and outfit.over and "pants" in outfit:
        paint_pair(canvas, figure, boots)


def _paint_bottoms(canvas: Canvas, figure: Figure, outfit: Outfit) -> None:
    for garment in ("pants", "shorts"):
        if (piece := outfit.get(garment)) is not None:
            paint_trousers(canvas, figure, piece, outfit.rise)
    if (piece := outfit.get("skirt")) is not None:
        paint_skirt(canvas, figure, piece, outfit.rise)


def _paint_trunk(canvas: Canvas, figure: Figure, outfit: Outfit) -> None:
    """Dress or top, tie, belt, coat and what hangs from the shoulder."""
    top, dress, outer = outfit.get("top"), outfit.get("dress"), outfit.get("outer")
    belt, scarf, bag = outfit.get("belt"), outfit.get("scarf/tie"), outfit.get("bag")
    if dress is not None:
        paint_dress(canvas, figure, dress)
    if top is not None and not outfit.tucked:
        paint_top(canvas, figure, top)
    if scarf is not None and scarf.style == "tie":
        paint_scarf(canvas, figure, scarf)
    closed = outer is not None and "open" not in outer.details
    if belt is not None and not closed:
        paint_belt(canvas, figure, belt)
    if outer is not None:
        paint_outer(canvas, figure, outer)
    if belt is not None and closed:
        paint_belt(canvas, figure, belt)
    if bag is not None and bag.style not in IN_HAND:
        paint_strapped_bag(canvas, figure, bag)


def _paint_arm(canvas: Canvas, figure: Figure, person: Person, outfit: Outfit, side: int) -> None:
    paint_arm(canvas, figure, person, side)
    # The sleeves of a coat hide those below them.
    for garment in ("outer",) if "outer" in outfit else ("dress", "top"):
        if (piece := outfit.get(garment)) is not None:
            paint_sleeve(canvas, figure, piece, side)
    bag = outfit.get("bag")
    if bag is not None and bag.style in IN_HAND and bag.side == side:
        paint_hand_bag(canvas, figure, bag)
    paint_hand(canvas, figure, person, side)


def _paint_above_the_neck(canvas: Canvas, figure: Figure, person: Person, outfit: Outfit) -> None:
    scarf, hat = outfit.get("scarf/tie"), outfit.get("headwear")
    paint_head(canvas, figure, person)
    covered = hat is not None and hat.style != "headband"
    paint_hair(canvas, figure, person, covered=covered)
    if scarf is not None and scarf.style != "tie":
        paint_scarf(canvas, figure, scarf)
    if (glasses := outfit.get("sunglasses")) is not None:
        paint_sunglasses(canvas, figure, glasses)
    if hat is not None:
        paint_hat(canvas, figure, hat)
