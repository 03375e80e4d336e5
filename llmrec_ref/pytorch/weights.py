"""Weights and the optimiser's state as arrays by name: what run folders hold."""

import torch

from llmrec_ref.runs import check_weights


def get_weights(model):
    """Return a copy of all weights, frozen ones too: dict of arrays by name."""
    return {name: _array(weight) for name, weight in model.state_dict().items()}


def _array(weight):
    weight = weight.detach().cpu()
    # NumPy has no bfloat16
    weight = weight.float() if weight.dtype == torch.bfloat16 else weight
    return weight.numpy().copy()


def set_weights(model, weights):
    """Undo `get_weights` of either framework; ValueError if the weights do not fit."""
    check_weights(weights, model.state_dict())
    model.load_state_dict(
        {name: torch.from_numpy(weight) for name, weight in weights.items()}
    )


def get_state(model, optimizer):
    """Return weights and AdamW's moments, all that the next epoch needs, by name."""
    moments = {
        f"optimizer.{number}.{name}": value.cpu().numpy().copy()
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    return {
        f"model.{name}": weight for name, weight in get_weights(model).items()
    } | moments


def set_state(model, optimizer, arrays):
    """Undo `get_state`."""
    set_weights(
        model,
        {
            name[6:]: array
            for name, array in arrays.items()
            if name.startswith("model.")
        },
    )
    state = optimizer.state_dict()
    for key, array in arrays.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".")
            state["state"].setdefault(int(number), {})[name] = torch.from_numpy(array)
    optimizer.load_state_dict(state)
