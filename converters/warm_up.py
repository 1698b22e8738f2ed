"""A minute of language-model training, so that a stand-in has something for LoRA to tune."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_BLOCK = 128  # tokens
_BATCH = 16  # blocks
_LEARNING_RATE = 3e-3


def train(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, lines: list[str], *, steps: int
) -> list[float]:
    """Train on the lines run together, as plain text without roles or special tokens.

    Args:
        model: Trained in place, in float32 on one CPU thread: more threads sum in another order.
        tokenizer: The model's.
        lines: Texts; blocks of 128 tokens are drawn from them at random.
        steps: Optimizer steps, 16 blocks each.

    Returns:
        The loss of each step in nats per token, and of the untrained model if `steps` is 0.
    """
    import torch

    ids = torch.tensor(tokenizer("\n".join(lines), add_special_tokens=False)["input_ids"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    losses = []
    try:
        for _ in range(max(steps, 1)):
            starts = torch.randint(len(ids) - _BLOCK, (_BATCH,))
            batch = torch.stack([ids[start : start + _BLOCK] for start in starts])
            loss = model(input_ids=batch, labels=batch).loss
            losses.append(loss.item())
            if steps:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    finally:
        torch.set_num_threads(threads)
    return losses
