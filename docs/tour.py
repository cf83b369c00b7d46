"""A tour of VideoVisual, in the cells of a notebook."""

# %% [markdown]
# # A tour of VideoVisual
#
# The tour takes ten minutes, from a clip to an explanation whose quality is measured. It needs
# the extra `server` (`pip install -c constraints.txt -e '.[server,java]'`), no GPU and no
# download. Run the whole file with `python docs/tour.py`, or run it cell by cell: VS Code,
# PyCharm and Spyder open it as a notebook, and so does Jupyter with jupytext.

# %%
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import videovisual
from videovisual import faithfulness, motion, render
from videovisual_archive import archive
from videovisual_client import Cancelled, Client
from videovisual_client.describe import describe
from videovisual_client.local import Local
from videovisual_client.torchserve import Server

OUT = Path(tempfile.mkdtemp(prefix="videovisual-tour-"))


def show(picture: Path) -> None:
    """Print a picture's path, and display the picture in a notebook."""
    print(picture)
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display  # noqa: PLC0415

        display(Image(str(picture)))


# %% [markdown]
# ## 1 · A clip with known evidence
#
# In a real clip nobody knows which pixels the network uses, so an explanation is hard to check.
# The tour therefore uses *Motion*, a synthetic data set. Three objects of the same kind jump at
# random, except one, which moves in a pattern; here it circles clockwise. The class depends on
# the motion alone: a single frame does not show it. Each clip comes with the evidence: the
# pixels of the object that moves in the pattern.

# %%
sample = motion.sample(4)
print(sample.frames.shape, sample.frames.dtype, "shows:", motion.LABELS[sample.label])
print(f"the evidence is {sample.evidence.mean():.1%} of the clip")

model = videovisual.load("tsm-motion")
answer = videovisual.classify(model, sample.frames, top_k=3)
for prediction in answer.predictions:
    print(f"{prediction.probability:6.1%}  {prediction.label}")

# %% [markdown]
# For a clip of your own use `videovisual.load("i3d-kinetics400")`, and a path in place of the
# frames: a video file, or a folder of images. I3D's weights are downloaded at the first use.
#
# ## 2 · Four methods
#
# Each method returns a map: how much each pixel of each frame contributes to the class. This
# model uses 8 of the 16 frames; the provenance lists them.

# %%
area = float(sample.evidence.mean())
maps = {
    "grad_cam": videovisual.explain(model, sample.frames, "grad_cam"),
    "smooth_grad": videovisual.explain(model, sample.frames, "smooth_grad"),
    "integrated_gradients": videovisual.explain(model, sample.frames, "integrated_gradients"),
    "step": videovisual.explain(model, sample.frames, "step", area=area),
}
seen = maps["step"].provenance["frame_indices"]
print("frames seen:", seen)
for method, saliency in maps.items():
    print(f"{method:21} {saliency.map.shape}, {'signed' if saliency.signed else 'unsigned'}")

# %% [markdown]
# **Temporal curve.** `curve()` is each frame's share of the map; equal shares would be 12% each.
# Only `step` can leave frames out. The gradient methods spread over all frames, which does not
# mean that the network needs all of them.

# %%
for method, saliency in maps.items():
    print(f"{method:21}", " ".join(f"{share:4.0%}" for share in saliency.curve()))

# %% [markdown]
# **Diagnostics.** A method reports measurements of its own run. Integrated gradients sum to the
# rise of the class's logit; `relative_delta` is the error of that sum before the weights of the
# points were adjusted. The mask of `step` should keep the class: `hard` is the class's
# probability when only the mask's inside is visible and its edge is hard.

# %%
print("integrated_gradients:", dict(maps["integrated_gradients"].diagnostics))
(mask,) = maps["step"].diagnostics["areas"]
print("step:", mask["probability_preserve"], f"with {mask['achieved_area']:.1%} of the clip shown")

# %% [markdown]
# ## 3 · Comparison with the evidence
#
# The *pointing game* is the share of the frames with evidence in which the map's maximum lies on
# the evidence, within 4 of 64 pixels. The *intersection over union* compares the evidence with
# as many of the map's strongest pixels. Noise is the floor of both.

# %%
evidence = sample.evidence[seen]
noise = np.random.default_rng(0).random(evidence.shape, dtype=np.float32)
points, overlaps = {}, {}
for method, values in {**{name: found.map for name, found in maps.items()}, "noise": noise}.items():
    points[method] = faithfulness.pointing(values, evidence, tolerance=4)
    overlaps[method] = faithfulness.iou(values, evidence, area=float(evidence.mean()))
    print(f"{method:21} points {points[method]:4.0%}   overlap {overlaps[method]:.2f}")

# %% [markdown]
# One clip proves nothing; `docs/methods.md` has figures over many clips. They show the same
# pattern. Grad-CAM is fast and as coarse as its layer, here 8 × 8 cells: it gives a rough
# position, and its maximum misses an object of a few pixels. `step` searches for seconds and
# finds the object in every frame. Its overlap is still far from 1: a map is not a segmentation.
#
# ## 4 · Pictures
#
# `Local` runs what a server runs, in this process: several methods at once, and their pictures.
# `evaluate=True` also measures each map on the network, without known evidence. *Insertion*
# uncovers a blurred clip, strongest pixels first; *deletion* blurs the clip in the same order.
# For a good map the class's probability rises early in the first and falls early in the second.

# %%
local = Local()
result = local.explain(
    sample.frames,
    model="tsm-motion",
    method=["grad_cam", "integrated_gradients", "step"],
    area=area,
    evaluate=True,
)
for explanation in result.explanations:
    scores = explanation.faithfulness or {}
    print(
        f"{explanation.method:21} insertion {scores['insertion']:.2f}, "
        f"deletion {scores['deletion']:.2f}"
    )
    for warning in render.doubts(explanation):
        print("  caution!", warning)
show(result.save(OUT / "strip.png"))
print(result.save(OUT / "report.html"), "(open it in a browser: a player, the map as a layer)")

# %% [markdown]
# Bright pixels are strong. In the signed map of integrated gradients red supports the class and
# blue opposes it. The curve under each map is each frame's share; the dotted line is the share
# that every frame would have if all were equal.
#
# Integrated gradients sum to the logit's rise and point well, but the picture carries a warning:
# by insertion and deletion the map is not faithful. The baseline is a black clip, so black
# pixels do not differ from it. The white half of each object gets everything and the black half
# nothing. A map can be right by one criterion and wrong by another.
#
# ## 5 · Limits of a map
#
# A method returns a map for *any* class, even one that the clip does not show. For example,
# "grows":

# %%
wrong = local.explain(
    sample.frames, model="tsm-motion", method="step", target="grows", area=area
).explanations[0]
for line in describe(wrong):
    print(line)

# %% [markdown]
# The search converged and has a strongest point, like any other. The warning and the
# probabilities show that the map explains nothing. Limits of every map:
#
# - A map explains the *network*, not the clip. If the network is right for a wrong reason, a
#   faithful map shows the wrong reason.
# - A map shows what contributed to the score, not why, and not what would change the prediction.
# - Two methods answer two questions. If they agree, the result is more reliable; if not, read
#   their diagnostics. `videovisual compare` shows them side by side and measures how far they
#   agree.
#
# ## 6 · Your own checkpoint and labels
#
# Train one of the supported architectures, save its `state_dict()`, and write its class names to
# a file, one a line. As an example, this cell reduces the motion model's head to three classes.

# %%
kept = [0, 1, 4]
state = model.network.state_dict()
state |= {name: state[name][kept] for name in ("fc.weight", "fc.bias")}
torch.save({"state_dict": state}, OUT / "mine.pth")
(OUT / "mine.txt").write_text("goes left\ngoes right\ngoes round\n")

mine = videovisual.load("tsm-motion", weights=OUT / "mine.pth", labels=OUT / "mine.txt")
print("mine predicts:", videovisual.classify(mine, sample.frames, top_k=1).predictions[0].label)

# %% [markdown]
# ## 7 · Serving both models
#
# TorchServe loads *archives*: weights, labels, and this library's code. `Server` starts and
# stops TorchServe on this machine. The same in a terminal is `videovisual serve tsm-motion`; for
# the other model `videovisual archive tsm-motion --weights mine.pth --labels mine.txt --as
# mine`, then `videovisual serve mine`.

# %%
archive("tsm-motion", store=OUT / "store")
archive(
    "tsm-motion",
    weights=OUT / "mine.pth",
    labels=OUT / "mine.txt",
    served_as="mine",
    store=OUT / "store",
)
server = Server(["tsm-motion", "mine"], store=OUT / "store")
server.start()
print("serving at", server.url)

# %% [markdown]
# The client needs the address and the key file, but no torch. `on_progress` is called at every
# step.

# %%
client = Client(server.url, key_file=server.key_file)
steps = []
served = client.explain(
    sample.frames,
    model="tsm-motion",
    method="step",
    area=area,
    on_progress=lambda now: steps.append(now.step),
)
print(f"{len(steps)} progress events, the last at step {steps[-1]}")
gap = float(np.abs(served.saliency.map - maps["step"].map).max())
print(f"largest difference between the server's map and the local one: {gap:.1g}")

ours = client.explain(sample.frames, model="mine", method="grad_cam", target="goes round")
print("mine, served:", ours.predictions[0].label)
show(ours.save(OUT / "mine.png"))

# %% [markdown]
# `submit` returns a job at once. A job can be followed and cancelled; the server stops within
# one step.

# %%
cancelled = False
with client.submit(sample.frames, model="tsm-motion", method="rise", masks=20_000) as job:
    for event in job:
        if event.step >= 20:
            print(f"step {event.step} of {event.of}: cancelled")
            job.cancel()
            break
    try:
        job.result()
    except Cancelled:
        cancelled = True

# %%
client.close()
server.stop()
local.close()
print("the pictures are in", OUT)

# %% [markdown]
# ## Further reading
#
# - [README](../README.md): all methods, their uses and limits
# - [methods](methods.md): papers, parameters, measured faithfulness
# - [client](client.md): `AsyncClient`, many clips, errors, the commands
# - `videovisual ui tsm-motion --local --open`: the same in a browser
