"""A pretend CUDA card: torch's device rules and a counting allocator, with the numbers computed on the CPU.

``with pretend_cards(card("RTX 4060", 8, (8, 9))):`` makes ``torch.cuda`` show that card. See ``card.py`` for
what is pretended and what cannot be.
"""

from .card import Card, Live, pretend_cards
from .tensor import weightless

__all__ = ["Card", "Live", "pretend_cards", "weightless"]
