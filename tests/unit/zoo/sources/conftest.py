"""Random tiny networks of each family of transformers, saved as people save them."""

import shutil

import pytest
import torch

SIDE, FRAMES = 32, 4
LABELS = ("cooking", "riding a bike", "swimming")
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": SIDE,
    "num_frames": FRAMES,
}
CONFIGS = {
    "videomae": {**SMALL, "patch_size": 8, "tubelet_size": 2},
    "timesformer": {**SMALL, "patch_size": 8},
    "vivit": {**SMALL, "tubelet_size": [2, 8, 8]},
    "vjepa2": {
        "crop_size": SIDE,
        "frames_per_clip": FRAMES,
        "patch_size": 8,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_pooler_layers": 1,
        "pred_hidden_size": 32,
        "pred_num_hidden_layers": 1,
        "pred_num_attention_heads": 2,
    },
}
NAMES = {"videomae": "VideoMAE", "timesformer": "Timesformer", "vivit": "Vivit", "vjepa2": "VJEPA2"}
PROCESSORS = {
    "videomae": "VideoMAEImageProcessor",
    "timesformer": "VideoMAEImageProcessor",
    "vivit": "VivitImageProcessor",
    "vjepa2": "VJEPA2VideoProcessor",
}
FAMILIES = list(CONFIGS)


@pytest.fixture(scope="session")
def transformers(torchvision):
    """transformers, which imports torchvision."""
    return pytest.importorskip("transformers")


@pytest.fixture(scope="session")
def network(transformers):
    """Makes the random network of a family."""

    def make(family, **options):
        config = getattr(transformers, f"{NAMES[family]}Config")
        numbered = dict(enumerate(LABELS))
        made = config(**CONFIGS[family], **{"id2label": numbered, **options})
        with torch.random.fork_rng():
            torch.manual_seed(1)
            net = getattr(transformers, f"{NAMES[family]}ForVideoClassification")(made).eval()
            for parameter in net.parameters():
                # As initialised the logits of all clips are almost the same.
                torch.nn.init.normal_(parameter, 0, 0.2)
        return net

    return make


@pytest.fixture(scope="session")
def processor(transformers):
    """Makes the processor of a family."""

    def make(family, **options):
        sizes = {"crop_size": {"height": SIDE, "width": SIDE}}
        if family != "vjepa2":
            sizes["size"] = {"shortest_edge": 40}
        return getattr(transformers, PROCESSORS[family])(**{**sizes, **options})

    return make


@pytest.fixture(scope="session")
def saved(tmp_path_factory, network, processor):
    """The folder of a family's network and processor; not to be changed."""
    made = {}

    def save(family):
        if family not in made:
            made[family] = tmp_path_factory.mktemp("saved") / f"tiny-{family}"
            network(family).save_pretrained(made[family])
            processor(family).save_pretrained(made[family])
        return made[family]

    return save


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of a VideoMAE's folder, which a test may change."""
    return shutil.copytree(saved("videomae"), tmp_path / "mine")
