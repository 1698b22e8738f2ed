"""Floating-point operations of LoRA training, and what devices can do at most.

A multiplication and an addition count as two. With N weights in matrix products (layers and output
head; an embedding is looked up, not multiplied) and a row of s tokens:

- forward: 2 N s, and attention: QK' and AV take 2 s^2 (heads x head size) each per layer; a causal
  model needs half of it;
- backward through frozen weights: 2 N s for the activations and nothing for the weights; attention
  has no weights, so twice its forward;
- gradient checkpointing runs the layers (not the head) forward once more.

*Model* FLOPs leave the repeated forward out, *hardware* FLOPs count it. Neither counts padding,
LoRA's own products (rank 8: about 0.4% of the model FLOPs), nor what fused attention computes anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Dense bfloat16 with float32 accumulation, TFLOP/s, by the name that the driver reports. NVIDIA
# prints twice as much, "with sparsity": nvidia.com/en-us/data-center/{h200,h100,a100,l40s}/; the
# RTX 4090 is from the Ada GPU Architecture white paper, appendix A. A device that is not here, an
# NVL board or a slice of a GPU for instance, has an unknown peak rather than a wrong one.
PEAK_TFLOPS = {
    "NVIDIA H200": 989.0,
    "NVIDIA H100 80GB HBM3": 989.0,
    "NVIDIA H100 PCIe": 756.0,
    "NVIDIA A100-SXM4-40GB": 312.0,
    "NVIDIA A100-SXM4-80GB": 312.0,
    "NVIDIA A100-PCIE-40GB": 312.0,
    "NVIDIA A100 80GB PCIe": 312.0,
    "NVIDIA L40S": 362.0,
    "NVIDIA GeForce RTX 4090": 165.0,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model's shape decides the operations.

    Attributes:
        parameters: All weights.
        in_layers: Weights of the layers' matrix products.
        in_head: Weights of the output head.
        attention: Layers x heads x head size.
    """

    parameters: int
    in_layers: int
    in_head: int
    attention: int

    def forward(self, length: int) -> int:
        """Operations of one row's forward pass without the output head."""
        return 2 * self.in_layers * length + 2 * self.attention * length**2

    def model_flops(self, lengths: Iterable[int]) -> int:
        """Operations that training on rows of these lengths, in tokens, cannot do without."""
        return sum(
            2 * 2 * (self.in_layers + self.in_head) * length + 3 * 2 * self.attention * length**2
            for length in lengths
        )

    def hardware_flops(self, lengths: Iterable[int], *, checkpointing: bool) -> int:
        """The same with the layers' second forward, if gradient checkpointing repeats it."""
        lengths = list(lengths)
        again = sum(map(self.forward, lengths)) if checkpointing else 0
        return self.model_flops(lengths) + again


def shape(checkpoint: Path) -> Shape:
    """The shape that a checkpoint's config.json describes; no weights are loaded."""
    from transformers import AutoConfig

    return shape_of(AutoConfig.from_pretrained(checkpoint))


def shape_of(config: object) -> Shape:
    """The shape of the model that a transformers config describes."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):  # shapes without memory
        model = AutoModelForCausalLM.from_config(config)
    head = model.get_output_embeddings()
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    facts = model.config
    return Shape(
        parameters=model.num_parameters(),
        in_layers=sum(module.weight.numel() for module in linear if module is not head),
        in_head=head.weight.numel(),
        attention=facts.num_hidden_layers * facts.num_attention_heads * facts.head_dim,
    )
