"""Training a stage from the command line."""

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fashion.dataset import FashionDataset
from fashion.labels import ClassTable
from fashion.stages.models import (
    WeightFile,
    check_preset,
    coco_weights,
    describe_weights,
    preset_of,
    weights_note,
    weights_path,
)
from fashion.stages.presets import Part, Preset, find_preset, make_config, parse_schedule
from fashion.stages.stage import Stage, writable_folder
from fashion.stages.training_labels import describe_labels, require_known_labels
from mrcnn.config import Config
from mrcnn.data.augmentation import augmentation_preset
from mrcnn.errors import ConfigError, WeightsError, counted
from mrcnn.system.files import replacing, saving
from mrcnn.training.processes import is_chief, require_drivers
from mrcnn.weights.provenance import Provenance

if TYPE_CHECKING:
    from mrcnn.model import MaskRCNN


def parse_class_weights(text: str | None, table: ClassTable) -> str | dict[str, float] | None:
    """Config.CLASS_WEIGHTS from a text: 'balanced', or weights by class name.

    Raises:
        ConfigError: a part is not class=weight.
        DatasetError: there is no such class.
    """
    if text is None or text == "balanced":
        return text
    weights = {}
    for piece in text.split(","):
        name, _, weight = piece.rpartition("=")
        try:
            number = float(weight)
        except ValueError:
            name = ""
        if not name:
            raise ConfigError(
                "{CLASS_WEIGHTS} has a part that is not class=weight",
                settings=("CLASS_WEIGHTS",),
                expected=f"balanced, or weights such as {table.names[0]}=3,{table.names[-1]}=2",
                found=repr(piece),
            )
        weights[table[table.id_of(name)].name] = number
    return weights


def train(options: argparse.Namespace) -> int:
    """Train as the command line says; see `fashion.stages.training_arguments`.

    All that can be checked is checked before TensorFlow is imported and the network is built.
    """
    stage: Stage = options.stage
    require_drivers(options.gpus or 1)
    folder, strict = options.dataset, options.strict
    train_set = _load(folder, "train", stage.table, strict)
    # Average precision counts what is detected where nothing is, as tools/evaluate.py does.
    validation_set = _load(folder, "val", stage.table, strict, keep_empty=True)
    if not options.drop_unknown:
        require_known_labels(train_set, stage.table, folder / "train")
        require_known_labels(validation_set, stage.table, folder / "val")
    print(describe_labels(train_set, validation_set, stage.table))
    start = options.model or find_preset(options.preset or "default").weights
    weights = _weights_to_start_from(start, stage, options.logs, options.preset)
    if weights:
        check_preset(weights, options.preset)
    preset = preset_of(weights, options.preset)
    parts = _parts(options, find_preset(preset))
    if is_chief():
        _require_outputs(options.logs, options.weights_out, options.overwrite)
    config = _config(options, preset)
    from keras.utils import set_random_seed

    from mrcnn.model import MaskRCNN

    if options.seed is not None:
        # The network's random weights; everything else follows Config.SEED.
        set_random_seed(options.seed)
    model = MaskRCNN(mode="training", config=config, model_dir=options.logs)
    provenance = _provenance(options, preset, len(train_set.image_ids), weights)
    model.weights_attributes = weights_note(preset, stage.table) | provenance.notes()
    if weights:
        model.load_weights(weights.path, by_name=True)
        if weights.persons and weights.classes == stage.table.names:
            take_garment_heads(model, weights)
    print(f"Starting from {weights.line() if weights else 'random weights'}.")
    if model.epoch >= parts[-1].until_epoch:
        print(
            f"This training is finished: all its {counted(model.epoch, 'epoch')} are done. "
            "--epochs (or --schedule) makes it longer."
        )
    for part in parts:
        if model.epoch < part.until_epoch:
            model.train(
                train_set,
                validation_set,
                learning_rate=part.learning_rate,
                epochs=part.until_epoch,
                layers=part.layers,
                augmentation=augmentation_preset(options.augmentation),
            )
    if is_chief():
        _finish(Path(model.log_dir), options.weights_out, options.overwrite)
    return 0


def _provenance(
    options: argparse.Namespace, preset: str, count: int, start: WeightFile | None
) -> Provenance:
    """What the trained weights say about themselves: this data set's name, and what came before."""
    own = f"{counted(count, 'picture')} of {options.dataset.resolve().name}"
    former = start.provenance.trained_on if start else ""
    # Weights that a training resumes from name its data set already.
    text = former if former.startswith(own) else f"{own}, after {former}" if former else own
    return Provenance(preset=preset, classes=options.stage.table.names, trained_on=text)


def _load(
    folder: Path, subset: str, table: ClassTable, strict: bool, keep_empty: bool = False
) -> FashionDataset:
    dataset = FashionDataset()
    dataset.load(folder, subset, table, strict=strict, keep_empty=keep_empty)
    dataset.prepare()
    note_classes(dataset)
    print(f"{subset}: {dataset.summary()}")
    return dataset


def note_classes(dataset: FashionDataset) -> None:
    """Record each image's class numbers, so that `mrcnn.data.pass_order` needs no masks for
    them."""
    for info in dataset.image_info:
        info["class_ids"] = [
            instance.class_id for instance in info["instances"] if not instance.crowd
        ]


def _require_outputs(logs: Path, weights_out: Path, overwrite: bool) -> None:
    writable_folder(logs, "logs")
    if weights_out.is_dir():
        raise WeightsError(
            "this is a folder",
            path=weights_out,
            settings=("weights_out",),
            advice="name a file with {weights_out}",
        )
    if overwrite or not weights_out.exists():
        writable_folder(weights_out.absolute().parent, "weights_out")


def _weights_to_start_from(
    start: str, stage: Stage, logs: Path, preset: str | None
) -> WeightFile | None:
    """The weight file, downloaded if need be; None for random weights."""
    if start == "none":
        return None
    if start == "coco":
        return describe_weights(coco_weights(stage))
    if start == "imagenet":
        from mrcnn.weights.known_files import get_imagenet_weights_path

        values = find_preset(preset).values if preset else {}
        backbone = values.get("BACKBONE", Config.BACKBONE)
        return describe_weights(get_imagenet_weights_path(backbone=backbone))
    if start == "last" and is_chief():
        set_damaged_aside(logs, stage.name)
    return describe_weights(weights_path(start, stage, logs))


def set_damaged_aside(logs: Path, name: str) -> None:
    """Rename damaged checkpoints at the end of the last training, so that it can be resumed.

    The training state beside them then belongs to the last checkpoint. Raises `WeightsError` if a
    checkpoint cannot be renamed, or none is whole.

    Args:
        logs: the folder of all trainings.
        name: Config.NAME.
    """
    from mrcnn.training.checkpoints import find_last_readable, set_aside

    path, damaged = find_last_readable(logs, name)
    for checkpoint in damaged:
        renamed = set_aside(checkpoint).name
        print(f"{checkpoint} is damaged and was renamed to {renamed}; {path.name} is whole.")


def _parts(options: argparse.Namespace, preset: Preset) -> list[Part]:
    one_part = options.layers or options.lr_schedule
    return parse_schedule(
        options.schedule or (None if one_part else preset.schedule),
        options.layers or preset.layers,
        options.epochs or preset.epochs,
        options.learning_rate or preset.values.get("LEARNING_RATE", Config.LEARNING_RATE),
    )


def _config(options: argparse.Namespace, preset: str) -> Config:
    stage: Stage = options.stage
    return make_config(
        preset,
        stage.name,
        1 + len(stage.table),
        IMAGES_PER_GPU=options.batch,
        GPU_COUNT=options.gpus,
        STEPS_PER_EPOCH=options.steps,
        LOADER_WORKERS=options.workers,
        LOADER_RESIZE=options.loader_resize,
        LOADER_CACHE_MB=options.loader_cache,
        PRECISION=options.precision,
        SEED=options.seed,
        DETECTION_MIN_CONFIDENCE=options.min_confidence,
        IMAGE_RESIZE_MODE=options.resize_mode,
        OPTIMIZER=options.optimizer,
        LEARNING_RATE_SCHEDULE=options.lr_schedule,
        WARMUP_STEPS=options.warmup,
        SCALE_LEARNING_RATE=options.scale_learning_rate,
        ACCUMULATE_STEPS=options.accumulate,
        EVALUATE_EVERY=options.evaluate_every,
        EVALUATE_IMAGES=options.evaluate_images,
        EARLY_STOPPING=options.early_stopping,
        REPEAT_FACTOR_THRESHOLD=options.repeat_rare,
        CLASS_WEIGHTS=parse_class_weights(options.class_weights, stage.table),
    )


def _finish(log_dir: Path, target: Path, overwrite: bool) -> None:
    """Copy the best weights to where the next commands look for them, and print what is where."""
    best = next(iter(sorted(log_dir.glob("best_mask_rcnn_*.h5"))), None)
    if best is None:
        return
    print(f"\nCheckpoints, history.csv and TensorBoard events: {log_dir}")
    if target.exists() and not overwrite:
        print(
            f"Best weights: {best}. {target} already exists and was kept; --overwrite replaces it, "
            f"or name the best weights with --model."
        )
        return
    problem = f"the best weights {best} could not be copied there"
    with (
        saving(target, WeightsError, problem=problem, advice="copy them yourself"),
        replacing(target) as copy,
        best.open("rb") as stream,
    ):
        shutil.copyfileobj(stream, copy)
    print(f"Best weights: {target}")


def take_garment_heads(model: "MaskRCNN", weights: WeightFile) -> None:
    """Give a training model the class heads of weights that know persons, without the person.

    Otherwise these heads would start over: `MaskRCNN.load_weights` skips them where the number of
    classes differs.

    Args:
        model: of the weights' classes without persons, in mode "training".
        weights: described by `describe_weights`.
    """
    from mrcnn.weights.h5_reading import read_arrays, read_layers
    from mrcnn.weights.matching import CLASS_DEPENDENT_LAYERS

    stored = read_layers(weights.path)
    for name in stored.keys() & set(CLASS_DEPENDENT_LAYERS):
        arrays = read_arrays(weight for _, weight in stored[name])
        variables = model.keras_model.get_layer(name).weights
        for variable, array in zip(variables, arrays, strict=True):
            # The last axis runs over classes, and within each over its outputs.
            variable.assign(array[..., : variable.shape[-1]])
    print(
        "The garments' part of these heads was then taken from the file; the person's was dropped."
    )
