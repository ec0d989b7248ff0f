"""Options of training that change its speed and what is recorded, but not the result."""

import dataclasses

from alexnet_tf.runs import fields
from alexnet_tf.runs.fields import field
from alexnet_tf.training.distribution import STRATEGIES
from alexnet_tf.training.step import JIT


@dataclasses.dataclass(frozen=True)
class Options:
    """How a run is trained; `alexnet-tf train --help` describes the fields.

    Attributes:
        profile: the steps to trace for TensorBoard's profiler.

    Raises:
        UserError: if a field has a wrong type or a value that is not allowed.
    """

    strategy: str = field(
        "auto", "run", "devices: one (none), all local GPUs (mirrored), the processes that TF_CONFIG or SLURM names "
        "(multi_worker), or whichever is available (auto)", choices=STRATEGIES,
    )  # fmt: skip
    devices: int | None = field(None, "run", "maximum number of local devices", at_least=1, if_none="all")
    input_threads: int | None = field(
        None, "run", "threads reserved for reading images", at_least=1, if_none="TensorFlow's shared pool"
    )
    jit: str = field(
        "auto", "run", "what XLA compiles, where it works: the network's input (auto), forward and backward pass too "
        "(true), or nothing (false)", choices=JIT,
    )  # fmt: skip
    deterministic: bool = field(
        False, "run", "use TensorFlow's deterministic kernels only: equal runs on one GPU are bit-equal, but slower"
    )
    steps_per_call: int | None = field(
        None, "run", "steps between returns to Python", at_least=1, if_none="1 on CPUs, 10 on GPUs"
    )
    log_every: int = field(10, "run", "interval of training metrics, in steps", at_least=1)
    layer_summaries_every: int = field(
        100, "run", "interval of per-layer summaries for TensorBoard, in steps; 0: none, not even at validations",
        at_least=0,
    )  # fmt: skip
    checkpoint_minutes: float = field(
        15.0, "run", "maximum time between checkpoints, in minutes; each validation saves one too", at_least=0
    )
    accept_changed_data: bool = field(
        False, "data", "resume although files of the dataset were added, removed or changed; held-out images stay held "
        "out",
    )  # fmt: skip
    profile: range | None = None

    def __post_init__(self) -> None:
        """Checks every field."""
        fields.check(self)
