"""Networks and losses of `toys`, and what tests ask of a framework, in PyTorch."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import toys
from llmrec_ref.objectives import NextItem
from llmrec_ref.pytorch import losses, train  # noqa: F401
from llmrec_ref.pytorch.model import ItemModel

NAME = "pytorch"

set_seed = torch.manual_seed
AUTOCAST = {"autocast bfloat16": torch.bfloat16, "autocast float16": torch.float16}


class Pairs(toys.Pairs):
    def loss(self, model, batch):
        return F.binary_cross_entropy_with_logits(model(batch["users"], batch["items"]), batch["labels"])


class Towers(toys.Towers):
    def loss(self, model, batch):
        logits = model(batch["left"], batch["right"])  # (B, B): the other rows are the negatives
        return F.cross_entropy(logits, torch.arange(len(logits)))


class Slope(toys.Slope):
    def loss(self, model, batch):
        return model(batch["x"]).mean() + batch["shift"].mean()


class Rows(toys.Rows):
    def loss(self, model, batch):
        return (model.rows(batch["rows"]) * batch["x"]).sum(1).mean()


class Toy(nn.Module):
    @torch.no_grad()
    def numbers(self, *arrays):
        return self(*map(torch.from_numpy, arrays)).numpy().copy()


class PairClassifier(Toy):
    def __init__(self, n_users, n_items, dim=8):
        super().__init__()
        self.config = dict(n_users=n_users, n_items=n_items, dim=dim)
        self.users, self.items = nn.Embedding(n_users, dim), nn.Embedding(n_items, dim)
        self.hidden, self.out = nn.Linear(dim, dim), nn.Linear(dim, 1)

    def forward(self, users, items):
        pair = self.users(users) * self.items(items)
        return self.out(F.relu(self.hidden(pair)))[:, 0]  # (B,)


class TwoTowers(Toy):
    def __init__(self, n_left, n_right, dim=8):
        super().__init__()
        self.config = dict(n_left=n_left, n_right=n_right, dim=dim)
        self.left, self.right = nn.Linear(n_left, dim), nn.Linear(n_right, dim)

    def forward(self, left, right):
        left, right = F.normalize(self.left(left), dim=-1), F.normalize(self.right(right), dim=-1)
        return 10 * left @ right.T  # (B, B)


class Line(Toy):
    def __init__(self, start=(1.0, -2.0)):
        super().__init__()
        self.config = dict(start=list(start))
        self.w = nn.Parameter(torch.tensor(start, dtype=torch.float32))

    def forward(self, x=None):
        return self.w.detach() if x is None else x @ self.w


class Lookup(Toy):
    def __init__(self):
        super().__init__()
        self.rows = nn.Embedding(4, 2)
        nn.init.ones_(self.rows.weight)


class Bag(ItemModel):
    """A model of the tests' own: the mean of the items so far, and a layer."""

    def __init__(self, n_items, dim=16, max_len=8, seed=0):
        super().__init__()
        self.config = dict(n_items=n_items, dim=dim, max_len=max_len)
        self.objective = NextItem(max_len)
        self.items, self.layer = nn.Embedding(n_items + 1, dim), nn.Linear(dim, dim)
        self.initialise(seed)

    def encode(self, item_ids):
        there = (item_ids > 0).float()[..., None]  # (B, L, 1)
        mean = (self.items(item_ids) * there).cumsum(1) / there.cumsum(1).clamp(min=1)
        return torch.tanh(self.layer(mean))


def freeze(model, but):
    """Freeze all but one part of a model."""
    for name, weight in model.named_parameters():
        weight.requires_grad = name.startswith(f"{but}.")


def call(model, item_ids, training):
    """Hidden states as NumPy, in the mode asked for."""
    with torch.no_grad():
        return model.train(training).encode(torch.from_numpy(np.asarray(item_ids))).numpy()


def batch_loss(model, loss, batch):
    """A loss of one batch of arrays, without dropout."""
    with torch.no_grad():
        arrays = {name: torch.from_numpy(array) for name, array in batch.items()}
        return losses.of_batch(loss)(model.eval(), arrays).item()


def watch(layer, monkeypatch):
    """Return a list to which each call of a layer adds (input, output)."""
    seen, forward = [], layer.forward

    def spy(x, *others):
        y = forward(x, *others)
        seen.append((x.detach().numpy(), (y[0] if isinstance(y, tuple) else y).detach().numpy()))
        return y

    monkeypatch.setattr(layer, "forward", spy)
    return seen


def ask(layer, x, visible, training):
    """What attention or a block makes of ``x``, whose query sees what is ``visible``."""
    with torch.no_grad():
        return layer.train(training)(torch.from_numpy(x), torch.from_numpy(visible)).numpy()


def rates(model):
    """The probabilities of all of a model's dropouts."""
    found = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    return found + [module.dropout for module in model.modules() if type(module).__name__ == "Attention"]


def computing(precision):
    """While it lasts, a model that was made by `build` computes in a precision."""
    return torch.autocast("cpu", AUTOCAST.get(precision), enabled=precision in AUTOCAST)


def build(name, precision, **config):
    """A model whose weights are of a precision, unless it is autocast's."""
    model = train.MODELS[name](**config)
    return model if precision in AUTOCAST else model.to(getattr(torch, precision))


def logits(model, *item_ids):
    with torch.no_grad():
        return model.eval()(torch.tensor(item_ids)).numpy()


def value_and_gradients(loss, precision, floats, *others):
    """A loss of floats, as a model of a precision would ask for it, and its gradients."""
    dtype = torch.float32 if precision in AUTOCAST else getattr(torch, precision)
    floats = [torch.tensor(array, dtype=dtype, requires_grad=True) for array in floats]
    value = loss(*floats, *map(torch.from_numpy, others))
    value.backward()
    return value.detach().numpy(), [array.grad.double().numpy() for array in floats]
