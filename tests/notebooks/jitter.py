"""Training that rounds as if on another machine, in the kernel that calls `start`.

Each trainable weight matrix is multiplied by 1 + 1e-6 noise before ``fit`` trains it. Training amplifies that
as it amplifies another order of summation, which is what another processor or another library build brings.
"""

import zlib

import numpy as np

from llmrec_ref import runs

trained = []  # names of the models, in order


def start(seed):
    """Shake whatever either framework's ``fit`` trains from here on."""
    count_targets = runs.count_targets

    # both frameworks call this just before their first step, however a cell got hold of `fit`
    def count_and_shake(model, *args):
        shake(model, seed)
        trained.append(type(model).__name__)
        return count_targets(model, *args)

    runs.count_targets = count_and_shake


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
