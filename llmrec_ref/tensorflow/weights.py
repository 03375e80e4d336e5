"""Weights under PyTorch's names and in its layouts: what run folders hold and `parity` copies."""

import numpy as np

from llmrec_ref.runs import check_weights

PYTORCH_NAMES = {"kernel": "weight", "gamma": "weight", "embeddings": "weight", "beta": "bias"}


def get_weights(model):
    """Return a copy of a model's weights, dict of float32 arrays by PyTorch's names."""
    return {name: _layout(variable, variable.numpy()).copy() for name, variable in _named(model).items()}


def set_weights(model, weights):
    """Give a model the weights of `get_weights`, of either framework; ValueError if they do not fit."""
    check_weights(weights, get_weights(model))
    for name, variable in _named(model).items():
        variable.assign(_layout(variable, weights[name]))


def _named(model):
    """``sas_rec/blocks.0/norm1/gamma`` is ``blocks.0.norm1.weight``."""
    names = {}
    for variable in model.trainable_variables:
        *layers, last = variable.path.split("/")[1:]
        names[".".join([*layers, PYTORCH_NAMES.get(last, last)])] = variable
    return names


def _layout(variable, array):
    """Keras' kernels are (in, out), PyTorch's (out, in)."""
    return np.ascontiguousarray(array.T) if variable.path.endswith("kernel") else array
