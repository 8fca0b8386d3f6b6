"""The order in which the images of a data set are trained on, as a function of a seed.

It gives the image at any position of the endless sequence of samples, independent of earlier
requests: so training can be resumed anywhere, and any number of workers can share the sequence.
"""

import numpy as np

from mrcnn.class_balance import places_of_a_pass, repeated

# Distinguishes the two uses of a seed: the order of a pass, and what happens to one image.
ORDER_STREAM, SAMPLE_STREAM = 0, 1


class PassOrder:
    """The order of the images, and how often each occurs in a pass.

    Args:
        image_ids: of the data set, int `[n]`.
        shuffle: a new random order for each pass, else that of `image_ids`.
        seed: a whole number of at least 0.
        repeat_factors: how often each image is shown in a pass on average, float `[n]`, see
            `class_balance.repeat_factors`; None: once. 2.3 means thrice in 30 % of the passes.

    Attributes:
        places: positions in a pass.
    """

    def __init__(
        self,
        image_ids: np.ndarray,
        *,
        shuffle: bool = True,
        seed: int = 0,
        repeat_factors: np.ndarray | None = None,
    ):
        self.image_ids = np.array(image_ids)
        self.shuffle, self.seed, self.repeat_factors = shuffle, seed, repeat_factors
        self.places = len(self.image_ids)
        if repeat_factors is not None:
            self.places = places_of_a_pass(repeat_factors)
        self._known: dict[int, np.ndarray] = {}

    def around(self, position: int) -> tuple[np.ndarray, int]:
        """The images of the pass a position belongs to, int `[places]`, and its place there."""
        pass_number, place = divmod(position, self.places)
        return self._of_pass(pass_number), place

    def _of_pass(self, pass_number: int) -> np.ndarray:
        if not self.shuffle and self.repeat_factors is None:
            return self.image_ids
        order = self._known.get(pass_number)
        if order is None:
            order = self._new_order(pass_number)
            # Other threads may still read the old dictionary; at most two passes are in use.
            before = self._known.get(pass_number - 1)
            self._known = {pass_number: order}
            if before is not None:
                self._known[pass_number - 1] = before
        return order

    def _new_order(self, pass_number: int) -> np.ndarray:
        seeds = np.random.SeedSequence(self.seed, spawn_key=(ORDER_STREAM, pass_number))
        random = np.random.default_rng(seeds)
        order = self.image_ids
        if self.repeat_factors is not None:
            order = np.repeat(order, repeated(self.repeat_factors, random))
        return random.permutation(order) if self.shuffle else order
