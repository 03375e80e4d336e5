"""Training that rounds as if on another machine, in the kernel that calls `start`.

Each trainable weight matrix is multiplied by 1 + 1e-6 noise before ``fit`` trains it. Training amplifies that
as it amplifies another order of summation, which is what another processor or another library build brings.
"""

import sys
import zlib
from functools import wraps
from importlib.machinery import PathFinder

import numpy as np

TRAIN = {"llmrec_ref.pytorch.train", "llmrec_ref.tensorflow.train"}  # where `fit` lives
trained = []  # names of the models, in order


def start(seed):
    """Shake whatever either framework's ``fit`` trains from here on; before anything imports it."""
    if found := TRAIN & sys.modules.keys():
        raise RuntimeError(f"{', '.join(found)} is imported: a cell may have its fit already.")
    sys.meta_path.insert(0, Finder(seed))


class Finder:
    """Changes ``fit`` in the import of its module, so that every cell gets hold of the changed one."""

    def __init__(self, seed):
        self.seed = seed

    def find_spec(self, name, path=None, target=None):
        """Find one of `TRAIN`, and nothing else."""
        if name not in TRAIN:
            return None
        spec = PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.fit = shaking(module.fit, self.seed)

        spec.loader.exec_module = exec_module
        return spec


def shaking(fit, seed):
    """Return ``fit`` that shakes the model first."""

    @wraps(fit)
    def shake_and_fit(model, *args, **kwargs):
        shake(model, seed)
        trained.append(type(model).__name__)
        return fit(model, *args, **kwargs)

    return shake_and_fit


def shake(model, seed):
    """Multiply a model's trainable matrices by 1 + 1e-6 noise; vectors and frozen weights stay."""
    if hasattr(model, "named_parameters"):  # PyTorch
        for name, weight in model.named_parameters():
            if weight.requires_grad and weight.dim() == 2:
                weight.data.mul_(weight.new_tensor(noise(name, weight.shape, seed)))
    else:
        for weight in model.trainable_variables:
            if len(weight.shape) == 2:
                weight.assign(weight * noise(weight.path, weight.shape, seed))


def noise(name, shape, seed):
    """Return float32 factors near 1 that depend on the weight's name and the seed."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return (1 + 1e-6 * rng.standard_normal(tuple(shape))).astype(np.float32)
