"""One colour for each class, the same in every picture and every run."""

import colorsys

Colour = tuple[int, int, int]

# Each is as far as possible in CIELAB from all previous ones, and not near black, white or grey.
_PALETTE: tuple[Colour, ...] = (
    (238, 34, 51),
    (0, 255, 0),
    (34, 34, 255),
    (51, 204, 238),
    (255, 204, 0),
    (255, 153, 255),
    (17, 102, 0),
    (0, 255, 187),
    (0, 85, 170),
    (170, 119, 68),
    (255, 0, 255),
    (153, 34, 85),
    (187, 238, 102),
    (136, 34, 170),
    (255, 0, 170),
    (238, 119, 0),
    (255, 153, 170),
    (34, 102, 255),
    (68, 170, 136),
    (255, 221, 136),
    (0, 170, 0),
    (136, 136, 0),
)
_BACKGROUND_COLOUR: Colour = (128, 128, 128)


def class_colour(class_id: int) -> Colour:
    """The RGB colour of a class: the same in every image and every run.

    Class 0 (background) and negative ids (crowds) are grey. The first twenty-two colours are
    chosen by hand; later ones step around the hue circle by the golden angle, which never repeats.
    """
    class_id = int(class_id)
    if class_id <= 0:
        return _BACKGROUND_COLOUR
    if class_id <= len(_PALETTE):
        return _PALETTE[class_id - 1]
    step = class_id - len(_PALETTE)
    hue = (0.11 + step * 0.6180339887498949) % 1.0
    rgb = colorsys.hsv_to_rgb(hue, 0.55 + 0.2 * (step % 3), 0.95 - 0.18 * (step % 2))
    red, green, blue = (round(255 * channel) for channel in rgb)
    return red, green, blue
