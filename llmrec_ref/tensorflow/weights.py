"""Weights under PyTorch's names, in its layouts, for run folders and `parity`."""

import numpy as np

from llmrec_ref.runs import check_weights

PYTORCH_NAMES = {
    "kernel": "weight",
    "gamma": "weight",
    "embeddings": "weight",
    "beta": "bias",
}
GRU_NAMES = {
    "kernel": ["weight_ih_l0"],
    "recurrent_kernel": ["weight_hh_l0"],
    "bias": ["bias_ih_l0", "bias_hh_l0"],
}


def get_weights(model):
    """Return a copy of all weights, frozen too: dict of arrays by PyTorch's names."""
    weights = {}
    for variable in model.weights:
        array = _layout(variable, variable.numpy())
        names = _names(variable, model)
        arrays = array if len(names) > 1 else [array]
        # in C order: safetensors writes the memory as it lies
        weights |= {
            name: np.array(part, order="C")
            for name, part in zip(names, arrays, strict=True)
        }
    return weights


def set_weights(model, weights):
    """Undo `get_weights` of either framework; ValueError if the weights do not fit."""
    check_weights(weights, get_weights(model))
    for variable in model.weights:
        arrays = [weights[name] for name in _names(variable, model)]
        variable.assign(
            _layout(
                variable, arrays[0] if len(arrays) == 1 else np.stack(arrays), back=True
            )
        )


def _names(variable, model):
    """``sas_rec/blocks.0/norm1/gamma`` is ``blocks.0.norm1.weight``, and so on.

    Weights of a model that was built before it became a part of this one keep its name.
    """
    *layers, last = variable.path.removeprefix(f"{model.name}/").split("/")
    if layers[-1:] == ["gru_cell"]:
        return [".".join([*layers[:-1], name]) for name in GRU_NAMES[last]]
    return [".".join([*layers, PYTORCH_NAMES.get(last, last)])]


def name_of(variable, model):
    """The name that PyTorch gives a weight; of a GRU's joint biases, the first."""
    return _names(variable, model)[0]


def _layout(variable, array, back=False):
    """Turn Keras' kernels (in, out) and gates z, r, h into (out, in) and r, z, h."""
    if variable.path.endswith("kernel") and back:
        array = array.T
    if "/gru_cell/" in variable.path:
        z, r, h = np.split(array, 3, axis=-1)
        array = np.concatenate([r, z, h], axis=-1)
    return array.T if variable.path.endswith("kernel") and not back else array


def dropout_seeds(model):
    """Return the states of a model's random generators: variables, but no weights."""
    return [
        variable
        for variable in model.variables
        if variable.name == "seed_generator_state"
    ]


def get_state(model, optimizer):
    """Return weights and AdamW's variables, all that the next epoch needs, by name."""
    moments = {
        f"optimizer.{i}": np.asarray(variable)
        for i, variable in enumerate(optimizer.variables)
    }
    return {
        f"model.{name}": weight for name, weight in get_weights(model).items()
    } | moments


def set_state(model, optimizer, arrays):
    """Undo `get_state`, but for the learning rate, which is a setting."""
    set_weights(
        model,
        {
            name[6:]: array
            for name, array in arrays.items()
            if name.startswith("model.")
        },
    )
    for i, variable in enumerate(optimizer.variables):
        if not variable.path.endswith("learning_rate"):
            variable.assign(arrays[f"optimizer.{i}"])
