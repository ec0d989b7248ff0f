"""The files of a run's directory, its workdir."""

from alexnet_tf.models.pretrained.load import RUN_WEIGHTS

RECIPE = "recipe.json"  # The resolved recipe.
CLASSES = "classes.json"  # The class names, in the order of the network's outputs.
FILES = "files.json.gz"  # Names, labels and sizes of the dataset's files, by which a resumed run notices changes.
STATISTICS = "statistics.npz"  # Mean image and colors of the training set.
INITIAL_WEIGHTS = "initial.weights.h5"  # With which training begins, where they are not random or a recipe's `weights`.
REINITIALIZED = "reinitialized.json"  # Layers that the pretrained weights did not fit, and why.
METRICS = "metrics.jsonl"  # One line of numbers per logging interval and validation.
LOG = "train.log"  # Messages for people.
EVENTS = "logs"  # Directory of TensorBoard's event files: `train`, `validation`, and its own.
CHECKPOINTS = "checkpoints"  # Directory of the newest checkpoints, from which a run resumes.
BEST = "best"  # Directory of the checkpoint with the lowest validation error.
# What a finished run adds.
WEIGHTS = RUN_WEIGHTS
RESULT = "result.json"  # The last validation.
CONFUSION = "confusion.tsv"
MISTAKES = "mistakes.tsv"
