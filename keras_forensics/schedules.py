"""Learning rate schedules."""

import math
from numbers import Integral, Real

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="keras_forensics")
class WarmupCosineDecay(keras.optimizers.schedules.LearningRateSchedule):
    r"""Linear warm-up, then cosine decay, then constant.

    The rate $\eta$ at step $s$ is $\eta_0\, s / s_w$ up to step $s_w$, and from there

    $$
    \eta = \eta_m + \frac{\eta_0 - \eta_m}{2}\,
        \Bigl(1 + \cos \pi \frac{s - s_w}{s_d - s_w}\Bigr)
    $$

    until it is $\eta_m$, at step $s_d$ and ever after.

    The same curve as Keras's `CosineDecay` with `warmup_target`, which computes it;
    here `decay_steps` counts from the first step, warm-up included, and rates are
    given as rates.

    Args:
        initial_lr: Peak rate $\eta_0$, reached at the end of the warm-up; positive.
        decay_steps: Step $s_d$ at which `min_lr` is reached; a positive integer.
        warmup_steps: Steps $s_w$ of warm-up, from 0 to `decay_steps`. If it equals
            `decay_steps`, the rate falls to `min_lr` in the step after the peak.
        min_lr: Final rate $\eta_m$, from 0 to `initial_lr`.

    Raises:
        ValueError: If an argument is outside the values above.

    Example:

    ```python
    from keras_forensics.schedules import WarmupCosineDecay

    schedule = WarmupCosineDecay(1e-3, decay_steps=100, warmup_steps=10, min_lr=1e-5)
    print([f"{float(schedule(step)):.2e}" for step in (0, 5, 10, 55, 100, 999)])
    #> ['0.00e+00', '5.00e-04', '1.00e-03', '5.05e-04', '1.00e-05', '1.00e-05']
    ```

    References:
        - Loshchilov, I. & Hutter, F. (2017). SGDR: Stochastic gradient descent with
          warm restarts. ICLR. <https://arxiv.org/abs/1608.03983>
        - Goyal, P. et al. (2017). Accurate, large minibatch SGD (the warm-up).
          <https://arxiv.org/abs/1706.02677>
    """

    def __init__(self, initial_lr, decay_steps, warmup_steps=0, min_lr=0.0):
        if not (_is(initial_lr, Real) and 0 < initial_lr < math.inf):
            raise ValueError(
                "`initial_lr` must be positive and finite. Received: "
                f"initial_lr={initial_lr!r}"
            )
        if not (_is(decay_steps, Integral) and decay_steps >= 1):
            raise ValueError(
                "`decay_steps` must be a positive integer. Received: "
                f"decay_steps={decay_steps!r}"
            )
        if not (_is(warmup_steps, Integral) and 0 <= warmup_steps <= decay_steps):
            raise ValueError(
                "`warmup_steps` must be an integer from 0 to decay_steps. Received: "
                f"warmup_steps={warmup_steps!r}, decay_steps={decay_steps!r}"
            )
        if not (_is(min_lr, Real) and 0 <= min_lr <= initial_lr):
            raise ValueError(
                "`min_lr` must lie between 0 and initial_lr. Received: "
                f"min_lr={min_lr!r}, initial_lr={initial_lr!r}"
            )
        self.initial_lr = float(initial_lr)
        self.decay_steps = int(decay_steps)
        self.warmup_steps = int(warmup_steps)
        self.min_lr = float(min_lr)
        # CosineDecay computes in the dtype of its rates, whatever `floatx` is.
        peak = np.float32(initial_lr)
        self._cosine = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=np.float32(0) if warmup_steps else peak,
            decay_steps=max(self.decay_steps - self.warmup_steps, 1),
            alpha=self.min_lr / self.initial_lr,
            warmup_target=peak if warmup_steps else None,
            warmup_steps=self.warmup_steps,
        )

    def __call__(self, step):
        """Returns the rate at `step`, a non-negative integer or integer tensor."""
        return self._cosine(step)

    def get_config(self):
        return {
            "initial_lr": self.initial_lr,
            "decay_steps": self.decay_steps,
            "warmup_steps": self.warmup_steps,
            "min_lr": self.min_lr,
        }


def _is(value, kind: type) -> bool:
    """`isinstance` that leaves the type as it is: `numbers` define no comparison."""
    return isinstance(value, kind)
