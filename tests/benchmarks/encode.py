"""How many texts a second a BERT encodes: ours, `transformers` and keras-hub, on the same batches.

Writes book/results/encode.json, with all-MiniLM-L6-v2, the titles of MovieLens 100K and the product texts of
Complete Journey. Batches are made once, sorted by length, and each library makes the hidden states of each.
The libraries take turns, and the figure is the median of the rounds. Then what sorting by length gains: the
same texts in batches as they come, and all padded to the same 128 tokens. keras-hub and our TensorFlow model
run as graphs. Every model runs on one thread. Nothing else should run meanwhile.

    python tests/benchmarks/encode.py          # ten minutes
"""

import json
import os
import statistics
import time

import numpy as np
from recording import make_parser, record

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
BATCH_SIZE, MAX_LEN = 64, 128
ORDERS = ("sorted by length", "as they come", "padded to 128")


def texts_of(n):
    """Return n texts of films and n of products, shuffled by a seed."""
    from llmrec_ref import datasets

    films = datasets.load("ml-100k").items["title"].unique()
    products = datasets.load("complete-journey").items[
        ["title", "department", "product_type", "package_size"]
    ]
    products = products.fillna("").agg(", ".join, axis=1).unique()
    rng = np.random.default_rng(0)
    return rng.permutation(
        [text for each in (films, products) for text in rng.permutation(each)[:n]]
    ).tolist()


def batches_of(texts, order):
    """Return pairs of token numbers and mask, in one of `ORDERS`."""
    from llmrec_ref import pretrained

    tokenizer = pretrained.Tokenizer(pretrained.find())
    if order == "sorted by length":
        texts = sorted(texts, key=len, reverse=True)
    found = [tokenizer(texts[i : i + BATCH_SIZE], MAX_LEN) for i in range(0, len(texts), BATCH_SIZE)]
    if order == "padded to 128":
        return [[np.pad(each, ((0, 0), (0, MAX_LEN - each.shape[1]))) for each in pair] for pair in found]
    return found


def ours_pytorch():
    """Return a function from token numbers and mask to hidden states."""
    import torch

    from llmrec_ref.pytorch.bert import Bert

    bert = Bert.load()

    @torch.no_grad()
    def run(token_ids, mask):
        return bert(torch.from_numpy(token_ids), torch.from_numpy(mask)).numpy()

    return run


def transformers():
    """The same by `transformers`, in PyTorch."""
    import torch
    from transformers import AutoModel

    from llmrec_ref import pretrained

    bert = AutoModel.from_pretrained(pretrained.find(), add_pooling_layer=False).eval()

    @torch.no_grad()
    def run(token_ids, mask):
        return bert(torch.from_numpy(token_ids), torch.from_numpy(mask)).last_hidden_state.numpy()

    return run


def ours_tensorflow():
    """The same by our model in TensorFlow, as a graph."""
    import tensorflow as tf

    from llmrec_ref.tensorflow.bert import Bert

    run = tf.function(Bert.load(), input_signature=signature(tf, tf.bool))
    return lambda token_ids, mask: run(token_ids, mask).numpy()


def keras_hub():
    """The same by keras-hub, as a graph."""
    import tensorflow as tf
    from keras_hub.models import BertBackbone
    from keras_hub.src.utils.transformers import convert_bert
    from keras_hub.src.utils.transformers.safetensor_utils import SafetensorLoader

    from llmrec_ref import pretrained

    folder = pretrained.find()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    bert = BertBackbone(**convert_bert.convert_backbone_config(config))
    with SafetensorLoader(str(folder)) as loader:
        convert_bert.convert_weights(bert, loader, config)

    @tf.function(input_signature=signature(tf, tf.int64))
    def run(token_ids, mask):
        arrays = dict(token_ids=token_ids, padding_mask=mask, segment_ids=tf.zeros_like(token_ids))
        return bert(arrays)["sequence_output"]

    return lambda token_ids, mask: run(token_ids, mask.astype(np.int64)).numpy()


def signature(tf, mask):
    """Any batch and length: one graph for all."""
    return [tf.TensorSpec((None, None), kind) for kind in (tf.int64, mask)]


LIBRARIES = {
    ("pytorch", "llmrec_ref"): ours_pytorch,
    ("pytorch", "transformers"): transformers,
    ("tensorflow", "llmrec_ref"): ours_tensorflow,
    ("tensorflow", "keras-hub"): keras_hub,
}


def seconds(run, batches):
    """Return the seconds that all batches take."""
    start = time.perf_counter()
    for batch in batches:
        run(*batch)
    return time.perf_counter() - start


def measure(texts, n_rounds):
    """Return rows: texts a second of each library in sorted batches, and of ours in each order."""
    batches = {order: batches_of(texts, order) for order in ORDERS}
    cases = {(*name, ORDERS[0]): make() for name, make in LIBRARIES.items()}
    cases |= {
        (*name[:2], order): run
        for name, run in cases.items()
        if name[1] == "llmrec_ref"
        for order in ORDERS[1:]
    }
    for (*_, order), run in cases.items():
        seconds(run, batches[order][:2])  # what happens once
    spent = {case: [] for case in cases}
    for _ in range(n_rounds):
        for case, run in cases.items():
            spent[case].append(seconds(run, batches[case[-1]]))
    return [row(case, spent, len(texts), batches) for case in cases]


def row(case, spent, n_texts, batches):
    """Return a line of the table: rates, and the median over rounds of ours beside the other library's."""
    framework, library, order = case
    others = [name for name in spent if name[0] == framework and name[1] != library and name[2] == order]
    rates = [n_texts / each for each in spent[case]]
    masks = [mask for _, mask in batches[order]]
    found = {
        "framework": framework, "library": library, "batches": order,
        "texts a second": statistics.median(rates), "fastest": max(rates), "slowest": min(rates),
        "share of padding": 1 - sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks),
    }  # fmt: skip
    if library == "llmrec_ref" and others:
        pairs = zip(spent[others[0]], spent[case], strict=True)
        found["times the other"] = statistics.median(other / own for other, own in pairs)
    return found


def main():
    """Measure everything and record it."""
    os.environ |= dict.fromkeys(THREADS, "1") | {"HF_HUB_OFFLINE": "1"}
    parser = make_parser(__doc__, "encode")
    parser.add_argument("--texts", type=int, default=1000, help="of films, and as many of products")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    texts = texts_of(args.texts)
    record(
        args.name,
        args.out,
        title="Texts that all-MiniLM-L6-v2 encodes in a second",
        protocol=f"{len(texts):,} texts of films and products, shuffled; batches of {BATCH_SIZE}; "
        f"one thread; the cases take turns, median of {args.rounds} rounds; 'times the other': the median "
        "ratio to the other library of the framework within a round",
        seeds=[0],
        rows=measure(texts, args.rounds),
    )


if __name__ == "__main__":
    main()
