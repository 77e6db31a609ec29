"""Prunes a model while it trains.

Source: paper, "A gradient sensitivity based network pruning", Steps 2 to 4.
"""

import math
from collections.abc import Callable, Iterable

import keras

from spine_tf.pruning.groups import Structure, find_groups
from spine_tf.pruning.schedules import due, final_amount, schedule_from_config
from spine_tf.pruning.sensitivity import get_criterion
from spine_tf.pruning.weight_masks import Masks, zeroed_groups
from spine_tf.pruning.zeroing import zero_filters

TOLERANCE = 0.02
"""A model whose zeroed share is this near to `amount` when training starts was pruned before, and is not again."""


class GradientSensitivityPruning(keras.callbacks.Callback):
    """Zeroes the filters that matter least while a model trains, and keeps them at zero.

    Filters are zeroed in groups (`groups.find_groups`), with their batch normalisation, so that `remove_filters` can
    remove them afterwards without changing an output. Without a schedule, pruning happens once, at the end of the first
    epoch; all further epochs fine-tune. The logs get `pruned`, the share of prunable filters that are zero at the end
    of the epoch. That epoch's other metrics are those before it was pruned.

    Which filters are zero is read from the weights when training starts. So a run that starts from a checkpoint keeps
    the same filters at zero. Place the callback before callbacks that save the model. With `steps_per_execution` above
    1 the filters are set back to zero only after each execution.

    Source: paper, "A gradient sensitivity based network pruning", Steps 2 to 4.

    Args:
        amount: share of the prunable filters to zero, in [0, 1); by default what the schedule ends at, else 0.5.
        calibration: batches as `fit` takes them, finite; the criteria "magnitude" and "random" need none.
        schedule: `schedules.polynomial_decay(...)`, `schedules.constant_sparsity(...)`, or any other schedule of
            tensorflow_model_optimization; its steps are those of the optimizer, its sparsities amounts.
        criterion: a row of `sensitivity.CRITERIA`, or a function of that signature.
        scope, floor, multiple_of: as `selection.choose_groups`.
        seed: for the criterion "random".

    Raises:
        ValueError: arguments out of range or at odds; when training starts, a model without a graph.

    Example:
        >>> images = keras.Input((4, 4, 1))
        >>> x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(images)
        >>> model = keras.Model(images, keras.layers.Conv2D(1, 1)(x))
        >>> model.compile("sgd", "mse", jit_compile=False)
        >>> ones = keras.ops.ones((2, 4, 4, 1))
        >>> pruning = GradientSensitivityPruning(amount=0.5, calibration=[(ones, ones)])
        >>> history = model.fit(ones, ones, verbose=0, callbacks=[pruning])
        >>> history.history["pruned"], len(pruning.removed)
        ([0.5], 4)
    """

    def __init__(
        self,
        amount: float | None = None,
        calibration: Iterable | None = None,
        schedule=None,
        criterion: str | Callable = "gradient",
        scope: str = "global",
        floor: float = 0.05,
        multiple_of: int = 1,
        seed: int = 0,
    ):
        super().__init__()
        end = None if schedule is None else final_amount(schedule)
        if amount is None:
            amount = 0.5 if end is None else end
        if not 0 <= amount < 1:
            raise ValueError(f"amount must be in [0, 1). Received: amount={amount!r}")
        if end is not None and abs(end - amount) > 1e-6:
            raise ValueError(f"amount must be what the schedule ends at, {end}. Received: amount={amount!r}")
        get_criterion(criterion)
        self.amount, self.calibration, self.schedule, self.criterion = amount, calibration, schedule, criterion
        self.scope, self.floor, self.multiple_of, self.seed = scope, floor, multiple_of, seed
        self.asked = 0.0
        """Largest amount asked for so far; structure and floor may have kept it from being met."""
        self.structure: Structure | None = None
        self.removed: list[int] = []
        self._masks: Masks | None = None
        self._step = -1

    def get_config(self) -> dict:
        """Give all arguments but the calibration data, which `from_config` takes as its own argument."""
        return {name: getattr(self, name) for name in ("amount", "scope", "floor", "multiple_of", "seed")} | {
            "schedule": self.schedule and self.schedule.get_config(),
            "criterion": self.criterion if isinstance(self.criterion, str) else self.criterion.__name__,
        }

    @classmethod
    def from_config(cls, config: dict, calibration: Iterable | None = None):
        """Make the callback again from its `get_config()`."""
        schedule = config["schedule"] and schedule_from_config(config["schedule"])
        return cls(**config | {"schedule": schedule}, calibration=calibration)

    @property
    def pruned(self) -> float:
        """Share of the prunable filters that are zero, in [0, 1]."""
        return self.structure.share(self.removed) if self.structure else 0.0

    def on_train_begin(self, logs=None):
        self.structure = find_groups(self.model)
        if not self.structure.groups:
            raise ValueError(f"model must have filters that can be removed. Received: {self.structure.whole}")
        self._masks = Masks(self.structure)
        self.removed = zeroed_groups(self.structure)
        self._masks.set(self.removed)
        self._step = int(self.model.optimizer.iterations.numpy()) - 1

    def on_train_batch_begin(self, batch, logs=None):
        self._follow_schedule()

    def on_train_batch_end(self, batch, logs=None):
        self._masks.apply()

    def on_epoch_end(self, epoch, logs=None):
        if math.isfinite((logs or {}).get("loss", 0.0)):  # of weights that are not numbers no filter can be scored
            if self.schedule is None and self.asked == 0 and self.pruned < self.amount - TOLERANCE:
                self._prune(self.amount)
            self._follow_schedule()
        self._masks.apply()
        self._masks.clear_slots(self.model.optimizer)
        if logs is not None:
            logs["pruned"] = self.pruned

    def _follow_schedule(self) -> None:
        if self.schedule is None:
            return
        step = int(self.model.optimizer.iterations.numpy())
        # Several steps may have been taken in one execution.
        amounts = [due(self.schedule, passed) for passed in range(self._step + 1, step + 1)]
        self._step = step
        wanted = max((amount for amount in amounts if amount is not None), default=0.0)
        if wanted > max(self.asked, self.pruned):
            self._prune(wanted)

    def _prune(self, amount: float) -> None:
        self.asked = amount
        settings = self.scope, self.floor, self.multiple_of, self.seed
        self.removed = zero_filters(self.model, amount, self.calibration, self.criterion, *settings).removed
        self._masks.set(self.removed)
        self._masks.clear_slots(self.model.optimizer)
