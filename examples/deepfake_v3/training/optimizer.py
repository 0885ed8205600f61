"""AdamW with layer-wise learning rates."""

import keras
from keras import ops


class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW whose rate, and decay, is scaled for each variable.

    Adam divides a gradient by its own magnitude, so scaling gradients changes
    nothing: here the update itself is scaled. Weight decay is decoupled and applied
    to kernels only, not to biases and normalisation.

    Args:
        learning_rate: Rate or schedule.
        weight_decay: Decay a step, relative to the rate.
        multipliers: `{variable path: multiplier}`; 1 for all others.
        **kwargs: Arguments of `keras.optimizers.AdamW`.
    """

    def __init__(self, learning_rate, weight_decay, multipliers=None, **kwargs):
        # The decay is applied in `update_step`, where the variable's rate is known.
        super().__init__(learning_rate, weight_decay=0.0, **kwargs)
        self.decay = weight_decay
        self.multipliers = multipliers or {}

    def build(self, variables):
        super().build(variables)
        # By position: TensorFlow hands `update_step` variables without a path.
        self._variable_multipliers = [
            self.multipliers.get(variable.path, 1.0) for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        multiplier = self._variable_multipliers[self._get_variable_index(variable)]
        rate = ops.cast(learning_rate, variable.dtype) * multiplier
        if len(variable.shape) > 1:
            self.assign_sub(variable, variable * (rate * self.decay))
        super().update_step(gradient, variable, rate)
