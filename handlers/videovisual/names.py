"""The models' names, importable without torch, so the client can use them."""

MODELS = (
    "i3d-kinetics400",
    "r3d-kinetics400",
    "mc3-kinetics400",
    "r2plus1d-kinetics400",
    "tsm-kinetics400",
    "tsm-epic55-verb",
    "tsm-epic55-noun",
    "i3d-motion",
    "r2plus1d-motion",
    "r3d-motion",
    "mc3-motion",
    "tsm-motion",
)
"""`videovisual.zoo.cards()` has a card for each of these."""
