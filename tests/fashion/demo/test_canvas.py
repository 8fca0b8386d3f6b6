import numpy as np
import pytest

from fashion.demo.canvas import NOBODY, Canvas, Finish, pen
from fashion.demo.curves import Shape, along, outline, smooth, tube

PLAIN = Finish(form=0, gloss=0, outline=0, grain=0)
RED, BLUE = (200, 0, 0), (0, 0, 200)


@pytest.fixture
def canvas():
    return Canvas(40, 60, np.random.default_rng(1))


def square(x1, y1, x2, y2):
    return outline([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def test_a_pixel_belongs_to_what_covers_half_of_it(canvas):
    canvas.paint(square(10.9, 10, 20.1, 30), RED, 3, finish=PLAIN)
    owned = np.argwhere(canvas.owner == 3)
    assert owned.min(axis=0).tolist() == [10, 11]
    assert owned.max(axis=0).tolist() == [29, 19]
    # the edge is soft, and what lies outside it is as it was
    assert canvas.image[20, 15].tolist() == list(RED)
    assert 200 < canvas.image[20, 10, 0] < 255
    assert canvas.image[20, 8].tolist() == [255, 255, 255]


def test_what_is_painted_last_is_seen(canvas):
    canvas.paint(square(5, 5, 30, 30), RED, 1, finish=PLAIN)
    canvas.paint(square(20, 5, 50, 30), BLUE, 2, finish=PLAIN)
    assert canvas.owner[10, 10] == 1
    assert canvas.owner[10, 25] == 2
    canvas.paint(square(22, 8, 26, 12), RED, finish=PLAIN)  # a hand: nobody's garment
    assert canvas.owner[10, 24] == NOBODY
    assert canvas.figure[10, 24]


def test_a_backdrop_is_not_the_figure(canvas):
    canvas.paint(square(5, 5, 30, 30), RED, finish=PLAIN, backdrop=True)
    assert not canvas.figure.any()
    assert not canvas.owner.any()


def test_holes_show_what_is_behind(canvas):
    shape = square(5, 5, 35, 35)
    shape.holes.append(square(15, 15, 25, 25).polygons[0])
    canvas.paint(shape, RED, 1, finish=PLAIN)
    assert canvas.owner[20, 20] == NOBODY
    assert canvas.owner[10, 10] == 1


def test_clip_limits_the_paint(canvas):
    canvas.paint(square(5, 5, 35, 35), RED, 1, finish=PLAIN, clip=square(5, 20, 35, 60))
    assert canvas.owner[10, 20] == NOBODY
    assert canvas.owner[25, 20] == 1


@pytest.mark.parametrize("finish", [PLAIN, Finish(), Finish(gloss=0.3, outline=1.4)])
def test_outline_and_lines_stay_within_the_shape(canvas, finish):
    shape = square(12, 12, 28, 28)
    lines = [pen([(0, 20), (59, 20)], 3)]
    canvas.paint(shape, RED, 1, lines=lines, folds=lines, finish=finish, ink=(0, 0, 0))
    outside = np.ones((40, 60), dtype=bool)
    outside[12:28, 12:28] = False
    # A fill takes in the quarters of pixels that its border touches.
    assert np.abs(canvas.image[outside] - 255).max() <= 64
    assert (canvas.owner[12:28, 12:28] == 1).all()


def test_shapes_outside_the_picture_change_nothing(canvas):
    before = canvas.image.copy()
    canvas.paint(square(100, 100, 120, 120), RED, 1)
    canvas.shade(square(-50, -50, -20, -20), 1, 1, 2, 0.5)
    canvas.draw([], RED)
    np.testing.assert_array_equal(canvas.image, before)


def test_shapes_are_cut_at_the_edge_of_the_picture(canvas):
    canvas.paint(square(-20, -20, 10, 100), RED, 1, finish=PLAIN)
    assert (canvas.owner[:, :10] == 1).all()
    assert not canvas.owner[:, 10:].any()


def test_lines_can_be_kept_to_one_garment(canvas):
    canvas.paint(square(10, 10, 30, 30), RED, 1, finish=PLAIN)
    canvas.draw([pen([(0, 20), (59, 20)], 3, 1.0)], (0, 0, 0), within=1)
    assert canvas.image[20, 20].max() < 30
    assert canvas.image[20, 40].min() == 255


def test_shadows_fall_on_the_figure_only(canvas):
    canvas.paint(square(10, 10, 30, 30), RED, 1, finish=PLAIN)
    canvas.shade(square(20, 10, 50, 30), 0, 0, 1, 0.5)
    assert canvas.image[20, 27, 0] < 150
    assert canvas.image[20, 45].tolist() == [255, 255, 255]


def test_smooth_goes_through_its_points():
    points = np.array([(0, 0), (10, 5), (20, 0), (30, 9)])
    curve = smooth(points)
    for point in points:
        assert np.linalg.norm(curve - point, axis=1).min() < 1e-9
    assert len(smooth(points[:2])) == 2
    closed = smooth(points, 5, closed=True)
    assert len(closed) == 20


def test_along_measures_by_length():
    line = np.array([(0.0, 0.0), (10.0, 0.0), (10.0, 30.0)])
    np.testing.assert_allclose(along(line, 0.5), (10, 10))
    np.testing.assert_allclose(along(line, np.array([0, 1])), [(0, 0), (10, 30)])


def test_a_bent_tube_has_no_hole(canvas):
    elbow = smooth([(10, 5), (40, 8), (44, 10), (40, 14), (10, 34)])
    canvas.paint(tube(elbow, [6, 6, 6]), RED, 1, finish=PLAIN)
    for x, y in elbow[2:-2]:
        assert canvas.owner[int(y), int(x)] == 1


def test_extent_holds_polygons_and_discs():
    shape = square(5, 6, 10, 12) + Shape([], [(30, 20, 4)])
    assert shape.extent() == (5, 6, 34, 24)
