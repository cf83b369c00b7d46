"""How each attention of a network mixes its tokens, and the map of one row over all layers.

The matrix of a layer over all tokens is never made: an attention within frames or along time has a
matrix for each group of tokens, and a row is multiplied by those.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from videovisual.attribution.method import Case, enlarged, to_map
from videovisual.engine.attention import Attention
from videovisual.engine.probe import Probe, Reading, Work
from videovisual.engine.progress import Progress
from videovisual.engine.tokens import Tokens
from videovisual.errors import UnsuitableMethod
from videovisual.saliency import Saliency


@dataclass(frozen=True)
class Mixing:
    """One layer's matrix [tokens, tokens], in blocks.

    Attributes:
        weights: of each group of tokens, [groups, queries, keys].
        members: the tokens of each group, [groups, queries]. A class token may be in several.
        count: the number of tokens.
    """

    weights: torch.Tensor
    members: torch.Tensor
    count: int

    def averaged(self) -> "Mixing":
        """With the mean over the groups where a token is in several, as networks take it."""
        shares = self.members.flatten().bincount(minlength=self.count)
        weights = self.weights / shares[self.members][..., None]
        return Mixing(weights, self.members, self.count)

    def before(self, row: torch.Tensor) -> torch.Tensor:
        """A row [tokens] times the matrix: what it reads of the tokens before the layer."""
        return self._summed(torch.einsum("gq,gqk->gk", row[self.members], self.weights))

    def sums(self, column: torch.Tensor) -> torch.Tensor:
        """The matrix times a column [tokens]."""
        return self._summed(torch.einsum("gqk,gk->gq", self.weights, column[self.members]))

    def _summed(self, values: torch.Tensor) -> torch.Tensor:
        zeros = values.new_zeros(self.count)
        return zeros.index_add(0, self.members.flatten(), values.flatten())


@dataclass(frozen=True)
class Network:
    """The attention of one clip.

    Attributes:
        layers: in the order of the pass.
        pooled: the weights [tokens] of a last attention by which one query reads all tokens.
        tokens: their places.
    """

    layers: Sequence[Mixing]
    pooled: torch.Tensor | None
    tokens: Tokens

    def row(self) -> torch.Tensor:
        """The row [tokens] to start from: the mean of the rows that the answer is read from."""
        row = torch.zeros(self.tokens.count)
        row[list(self.tokens.read)] = 1 / len(self.tokens.read)
        return row

    def saliency(self, case: Case, row: torch.Tensor) -> Saliency:
        """A row's cells as a map; unsigned."""
        coarse = row[list(self.tokens.cells)].view(1, 1, *self.tokens.grid)
        return Saliency(
            to_map(enlarged(case, coarse)),
            signed=False,
            diagnostics={
                "layers": len(self.layers) + (self.pooled is not None),
                "layer_shape": list(self.tokens.grid),
            },
        )


def read_network(case: Case, wanted: Attention) -> Work[Network]:
    """Ask the network for its attention to the clip.

    Raises:
        UnsuitableMethod: it has none, or one whose tokens are no places of the clip.
    """
    reading = yield Probe(
        case.clip[None], case.targets(1), attention=wanted, progress=Progress(0, 1)
    )
    return _network(reading)


def _network(reading: Reading) -> Network:
    assert reading.attention is not None
    assert reading.tokens is not None
    # On the processor, where sums are the same every time.
    *attention, last = (layer[0].cpu() for layer in reading.attention)
    tokens = reading.tokens
    if last.shape == (1, 1, tokens.count) and attention:
        return Network([_mixing(layer, tokens) for layer in attention], last[0, 0], tokens)
    return Network([_mixing(layer, tokens) for layer in (*attention, last)], None, tokens)


def _mixing(weights: torch.Tensor, tokens: Tokens) -> Mixing:
    """A layer's matrix, whose kind its shape tells.

    All tokens attend to all; or those of a frame to one another, or those at one place, along time
    (divided attention, Bertasius et al. 2021, arXiv 2102.05095). Groups may have the class token
    with them.
    """
    groups, queries, keys = weights.shape
    frames, height, width = tokens.grid
    cells = torch.tensor(tokens.cells).view(frames, height * width)
    extra = torch.tensor(tokens.extra, dtype=cells.dtype)
    kinds = [torch.arange(tokens.count)[None], cells.flatten().sort().values[None]]
    kinds += [
        torch.cat([shared.expand(len(own), -1), own], dim=1)
        for own in (cells, cells.T)
        for shared in (extra[:0], extra)
    ]
    fitting = {
        tuple(kind.flatten().tolist()): kind
        for kind in kinds
        if kind.shape == (groups, queries) and queries == keys
    }
    if len(fitting) != 1:
        raise UnsuitableMethod(
            f"The network's tokens, {frames} × {height} × {width} and {len(tokens.extra)} class "
            f"tokens, don't attend to one another in an order that can be told: an attention has "
            f"{groups} groups of {queries} queries and {keys} keys. Attention among all tokens, "
            "within frames and along time can be followed; among pooled tokens (MViT) or in "
            "shifted windows (Swin) it can't. Use grad_cam or a method of gradients.",
            parameter="method",
            groups=groups,
            queries=queries,
            keys=keys,
        )
    return Mixing(weights, next(iter(fitting.values())), tokens.count)
