"""Faithfulness: measures of a saliency map against the network and against known evidence.

Many maps have equal values, such as a rectifier's zeros. No measure depends on their order in
memory.
"""

from videovisual.faithfulness.curves import (
    CELLS,
    POINTS,
    SUBSETS,
    insertion_deletion,
    sensitivity_n,
)
from videovisual.faithfulness.evidence import Evidence, iou, pointing
from videovisual.faithfulness.measures import EVALUATION, Faithfulness, area_of, evaluate
from videovisual.faithfulness.randomisation import RANDOM_SEEDS, randomised
from videovisual.faithfulness.ranks import correlation, membership, overlap, similarity
from videovisual.faithfulness.reruns import CHANGES, Stability, stability
from videovisual.faithfulness.salience_groups import GROUPS, saco
from videovisual.faithfulness.sufficiency import AREA, Retention, retention

__all__ = [
    "AREA",
    "CELLS",
    "CHANGES",
    "EVALUATION",
    "GROUPS",
    "POINTS",
    "RANDOM_SEEDS",
    "SUBSETS",
    "Evidence",
    "Faithfulness",
    "Retention",
    "Stability",
    "area_of",
    "correlation",
    "evaluate",
    "insertion_deletion",
    "iou",
    "membership",
    "overlap",
    "pointing",
    "randomised",
    "retention",
    "saco",
    "sensitivity_n",
    "similarity",
    "stability",
]
