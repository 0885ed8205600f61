"""All seeds of a variant trained at once, as one program on one GPU.

MobileNetV2 at 128 pixels leaves a large GPU idle most of the time. Several side by side
fill it better, and an epoch is one call. JAX only.

What is learnt is what `train_stage` learns on JAX, draw for draw, but for two things:
the last images of an epoch that fill no batch are left out, and images that are larger
than the model's input are cropped at the centre. A run that is stopped begins anew.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from examples.deepfake_v3.evaluation.metrics import epoch_score
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.pipeline import draw_order, make_dataset
from examples.deepfake_v3.options.training import TrainingOptions
from examples.deepfake_v3.training.augmentation import build_augmentation
from examples.deepfake_v3.training.precision import policy_of
from examples.deepfake_v3.training.stage import (
    AugmentedTrainer,
    Stage,
    build_optimizer,
    stage_seed,
)

PREDICTED = 250  # images a step

State = tuple[list[jax.Array], list[jax.Array], list[jax.Array]]
"""Trained variables, the others, and the optimizer's, each stacked over seeds."""


class Program(NamedTuple):
    """A stage, ready to run.

    Attributes:
        stage: The stage.
        trained: Trained variables of each seed.
        others: The others of each seed, the states of random draws among them.
        optimizer: The optimizer's variables at the start, the same for every seed.
        epoch: Being compiled: state, order, pixels and labels to state and losses.
    """

    stage: Stage
    trained: list[list[keras.Variable]]
    others: list[list[keras.Variable]]
    optimizer: list[jax.Array]
    epoch: "Future[Callable]"


def pixels_of(images: ImageList, image_size: int) -> np.ndarray:
    """All images of a list, `(images, image_size, image_size, 3)`, uint8."""
    dataset = make_dataset(
        images, image_size=image_size, batch_size=PREDICTED, training=False
    )
    return np.concatenate([np.asarray(pixels) for pixels, *_ in dataset])


@contextlib.contextmanager
def convolutions_as_products() -> Iterator[None]:
    """Depthwise and 1x1 convolutions written as products.

    Side by side, each model has kernels of its own, for which the convolution of a GPU
    library is slow.
    """
    conv, depthwise = keras.layers.Conv2D.call, keras.layers.DepthwiseConv2D.call

    def conv_call(self, inputs):
        pointwise = self.kernel_size == self.strides == (1, 1)
        if not pointwise or self.use_bias or self.groups > 1:
            return conv(self, inputs)
        return self.activation(jnp.einsum("...c,cd->...d", inputs, self.kernel[0, 0]))

    def depthwise_call(self, inputs):
        (height, width), (step, _) = self.kernel_size, self.strides
        same = self.padding == "same"
        plain = self.dilation_rate == (1, 1) and self.depth_multiplier == 1
        if not plain or self.use_bias or (same and step > 1):
            return depthwise(self, inputs)
        if same:
            reach = height // 2
            inputs = jnp.pad(inputs, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
        rows = (inputs.shape[1] - height) // step + 1
        columns = (inputs.shape[2] - width) // step + 1
        outputs = sum(
            inputs[
                :,
                y : y + step * (rows - 1) + 1 : step,
                x : x + step * (columns - 1) + 1 : step,
            ].astype("float32")
            * self.kernel[y, x, :, 0].astype("float32")
            for y in range(height)
            for x in range(width)
        )
        return self.activation(outputs.astype(inputs.dtype))

    with (
        mock.patch.object(keras.layers.Conv2D, "call", conv_call),
        mock.patch.object(keras.layers.DepthwiseConv2D, "call", depthwise_call),
    ):
        yield


def stacked(variables: Sequence[Sequence[keras.Variable]]) -> list[jax.Array]:
    """Each variable's values of all seeds as one array."""
    return [
        jnp.stack([one.value for one in ones]) for ones in zip(*variables, strict=True)
    ]


def assign(variables: Sequence[Sequence[keras.Variable]], values) -> None:
    """The reverse of `stacked`."""
    for ones, array in zip(zip(*variables, strict=True), values, strict=True):
        for one, value in zip(ones, array, strict=True):
            one.assign(value)


def epoch_of(
    trainer: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss: keras.losses.Loss,
    class_weights: jax.Array,
) -> Callable:
    """All steps of an epoch for all seeds, as one function."""

    def step(state: State, chosen, pixels, labels):
        trained, others, slots = state
        truth = labels[chosen][:, None]

        def loss_of(trained):
            scores, updated = trainer.stateless_call(
                trained, others, pixels[chosen], training=True
            )
            return loss(truth, scores, sample_weight=class_weights[truth]), updated

        (value, others), gradients = jax.value_and_grad(loss_of, has_aux=True)(trained)
        trained, slots = optimizer.stateless_apply(slots, gradients, trained)
        return (trained, others, slots), value

    def epoch(state: State, order, pixels, labels):
        steps = jax.vmap(step, in_axes=(0, 0, None, None))
        return jax.lax.scan(
            lambda state, chosen: steps(state, chosen, pixels, labels), state, order
        )

    return jax.jit(epoch, donate_argnums=0)


def predictor_of(model: keras.Model) -> Callable:
    """Scores `(seeds, 2, images)`: of the images, and of their mirror images."""

    def predict(values, pixels):
        mapping = zip(model.variables, values, strict=True)
        with keras.StatelessScope(state_mapping=list(mapping)):
            looks = [pixels, pixels[:, :, ::-1]]
            return jnp.stack([model(look, training=False)[:, 0] for look in looks])

    batch = jax.jit(jax.vmap(predict, in_axes=(0, None)))

    def whole(values, pixels):
        starts = range(0, len(pixels), PREDICTED)
        scores = [batch(values, pixels[i : i + PREDICTED]) for i in starts]
        return np.concatenate(scores, axis=-1)

    return whole


def prepare(
    models: Sequence[keras.Model],
    stage: Stage,
    images: ImageList,
    options: TrainingOptions,
    seeds: Sequence[int],
    compiler: ThreadPoolExecutor,
) -> Program:
    """Traces a stage of models whose layers are set to train, and compiles it aside."""
    trainers = []
    for model, seed in zip(models, seeds, strict=True):
        augmentation = build_augmentation(
            stage_seed(seed, stage), options.jpeg_augment, options.jpeg_augment_per
        )
        trainer = AugmentedTrainer(model, augmentation if options.augment else None)
        trainer.build((None, *model.input_shape[1:]))
        trainers.append(trainer)
    trained = [list(trainer.trainable_variables) for trainer in trainers]
    others = [list(trainer.non_trainable_variables) for trainer in trainers]
    steps = len(images) // stage.batch_size
    optimizer = build_optimizer(options, stage, steps)
    optimizer.build(trained[0])
    slots = [jnp.stack([slot.value] * len(seeds)) for slot in optimizer.variables]
    epoch = epoch_of(
        trainers[0],
        optimizer,
        keras.losses.BinaryCrossentropy(label_smoothing=options.label_smoothing),
        jnp.asarray(images.class_weights(), "float32"),
    )
    lowered = epoch.lower(
        (stacked(trained), stacked(others), slots),
        jax.ShapeDtypeStruct((steps, len(seeds), stage.batch_size), "int32"),
        jax.ShapeDtypeStruct((len(images), *models[0].input_shape[1:]), "uint8"),
        jax.ShapeDtypeStruct((len(images),), "int32"),
    )
    return Program(stage, trained, others, slots, compiler.submit(lowered.compile))


def steps_of(seed: int, stage: Stage, epoch: int, count: int) -> np.ndarray:
    """Which images each step takes, `(steps, batch_size)`."""
    order = draw_order(stage_seed(seed, stage), epoch, count)
    steps = count // stage.batch_size
    return order[: steps * stage.batch_size].reshape(steps, -1).astype("int32")


def epoch_scores(
    labels: np.ndarray, scores: np.ndarray, label_smoothing: float
) -> list[tuple[float, float]]:
    """What `epoch_score` says of an epoch, by seed.

    Args:
        labels: Labels of the val images.
        scores: Their scores, `(seeds, images)`.
        label_smoothing: That of the training.
    """
    loss = keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)
    return [
        epoch_score(
            {
                "val_auc": roc_auc_score(labels, of_seed),
                "val_loss": float(loss(labels[:, None], of_seed[:, None])),
            }
        )
        for of_seed in scores
    ]


def run(
    programs: Sequence[Program],
    models: Sequence[keras.Model],
    images: dict[str, ImageList],
    options: TrainingOptions,
    seeds: Sequence[int],
) -> tuple[list[list[float]], dict[str, np.ndarray]]:
    """Trains; the models end with the weights of their best epochs.

    Returns:
        The best val AUC of each stage by seed; scores `(seeds, 2, images)` of val and
        test: of the images, and of their mirror images.
    """
    size = models[0].input_shape[1]
    pixels = {split: jax.device_put(pixels_of(images[split], size)) for split in images}
    labels = jnp.asarray(images["train"].labels, "int32")
    predict = predictor_of(models[0])
    everything = [model.variables for model in models]
    best, best_values = [(-math.inf, -math.inf)] * len(seeds), stacked(everything)
    best_of_stages: list[list[float]] = [[] for _ in seeds]
    for program in programs:
        stage, epoch = program.stage, program.epoch.result()
        state = (stacked(program.trained), stacked(program.others), program.optimizer)
        aucs = np.full((stage.epochs, len(seeds)), -1.0)
        running = np.full(len(seeds), True)
        for number in range(stage.epochs):
            steps = [steps_of(seed, stage, number, len(labels)) for seed in seeds]
            state, losses = epoch(state, np.stack(steps, 1), pixels["train"], labels)
            assign(program.trained, state[0])
            assign(program.others, state[1])
            values = stacked(everything)
            scores = predict(values, pixels["val"])[:, 0]
            found = epoch_scores(images["val"].labels, scores, options.label_smoothing)
            aucs[number] = np.where(running, [auc for auc, _ in found], -1)
            since_best = number - aucs.argmax(axis=0)
            better = running & [new > old for new, old in zip(found, best, strict=True)]
            best = [
                new if is_better else old
                for new, old, is_better in zip(found, best, better, strict=True)
            ]
            best_values = [
                jnp.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
                for new, old in zip(values, best_values, strict=True)
            ]
            running &= since_best < options.patience
            if options.verbose:
                loss = np.asarray(losses).mean(axis=0).round(3)
                print(stage.name, number + 1, loss, aucs[number].round(4), flush=True)
        assign(everything, best_values)
        for of_seed, auc in zip(best_of_stages, aucs.max(axis=0), strict=True):
            of_seed.append(float(auc))
    scores = {split: predict(best_values, pixels[split]) for split in ("val", "test")}
    return best_of_stages, scores


def train_together(
    models: Sequence[keras.Model],
    enter_stages: Sequence[Callable[[keras.Model], Stage]],
    images: dict[str, ImageList],
    options: TrainingOptions,
    seeds: Sequence[int],
) -> tuple[list[list[float]], dict[str, np.ndarray]]:
    """Trains models that differ in their weights alone; returns what `run` returns.

    Args:
        models: The model of each seed.
        enter_stages: For each stage, what sets the layers of a model that are trained,
            and gives the stage.
        images: Those of train, val and test.
        options: Options of the recipe, but for the seed.
        seeds: The seeds.

    Raises:
        ValueError: If the models compute in float16, for which nothing here scales the
            loss, or the options shuffle labels, process images or leave some out.
    """
    if "float16" in (policy := policy_of(models[0]).name).split("_"):
        raise ValueError(
            "Seeds are trained together in float32 or mixed_bfloat16: set "
            f"`options.mixed_precision`. Received: {policy}"
        )
    refused = (
        *("shuffle_labels", "max_images_per_class", "steps_per_epoch"),
        "process_augment",
    )
    if found := {name: value for name in refused if (value := getattr(options, name))}:
        raise ValueError(
            "Seeds are trained together on all images as they are: leave "
            f"{', '.join(refused)} out of `options`. Received: {found}"
        )
    with convolutions_as_products(), ThreadPoolExecutor() as compiler:
        programs = []
        for enter in enter_stages:
            stage, *_ = [enter(model) for model in models]
            programs.append(
                prepare(models, stage, images["train"], options, seeds, compiler)
            )
        return run(programs, models, images, options, seeds)
