"""Gated fusion of two streams, with a skip connection."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_forensics")
class GatedFusion(keras.layers.Layer):
    r"""Scales visual features by a gate, and keeps the unscaled ones beside them.

    $$
    \operatorname{fusion}(v, g) = [\,v \odot g,\ v\,]
    $$

    The skip keeps the gradient of the visual stream alive when a gate closes.

    Input shape:
        A list `[visual, gate]` of two tensors of one shape, `(..., features)`. The
        gate is meant to lie in [0, 1], as from a sigmoid.

    Output shape:
        `(..., 2 * features)`: the gated features, then the visual ones.

    Raises:
        ValueError: If the input is not a list of two tensors of one shape.

    Example:

    ```python
    import numpy as np
    from keras_forensics.layers import GatedFusion

    visual = np.array([[2.0, 4.0]])
    gate = np.array([[0.5, 0.0]])
    print(np.asarray(GatedFusion()([visual, gate])).tolist())
    #> [[1.0, 0.0, 2.0, 4.0]]
    ```

    References:
        - Dauphin, Y. N. et al. (2017). Language modeling with gated convolutional
          networks (the product with a sigmoid gate; the skip is this package's own).
          ICML. <https://arxiv.org/abs/1612.08083>
    """

    def build(self, input_shape):
        self.compute_output_shape(input_shape)
        visual = input_shape[0]
        self.input_spec = 2 * [
            keras.layers.InputSpec(ndim=len(visual), axes={-1: visual[-1]})
        ]

    def call(self, inputs):
        visual, gate = inputs
        return ops.concatenate([visual * gate, visual], axis=-1)

    def compute_output_shape(self, input_shape):
        if not (
            isinstance(input_shape, (list, tuple))
            and len(input_shape) == 2
            and all(isinstance(shape, (list, tuple)) for shape in input_shape)
            and _agree(*input_shape)
        ):
            raise ValueError(
                "GatedFusion takes a list [visual, gate] of two tensors of one shape "
                f"(..., features). Received: input_shape={input_shape}"
            )
        visual = tuple(input_shape[0])
        return (*visual[:-1], 2 * visual[-1])


def _agree(visual, gate) -> bool:
    """Whether two shapes are one, unknown sizes aside; features must be known."""
    return (
        len(visual) == len(gate) >= 2
        and visual[-1] is not None
        and all(
            None in sides or sides[0] == sides[1]
            for sides in zip(visual, gate, strict=True)
        )
    )
