"""A minute of language-model training, so that a stand-in has something for LoRA to tune."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_BLOCK = 64  # tokens
_BATCH = 16  # blocks
_LEARNING_RATE = 5e-3  # at the peak of a one-cycle schedule


def train(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, lines: list[str], *, steps: int
) -> list[float]:
    """Train on the lines run together, as plain text without roles or special tokens.

    Args:
        model: Trained in place, in float32 on one CPU thread: more threads sum in another order.
        tokenizer: The model's.
        lines: Texts; blocks of 64 tokens are drawn from them at random.
        steps: Optimizer steps, 16 blocks each.

    Returns:
        The loss of each step in nats per token, and of the untrained model if `steps` is 0.
    """
    import torch

    ids = torch.tensor(tokenizer("\n".join(lines), add_special_tokens=False)["input_ids"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=max(steps, 1), pct_start=0.1
    )
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
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
    finally:
        torch.set_num_threads(threads)
    return losses
