import pytest
import torch
from torch import nn

from videovisual.errors import WeightsError
from videovisual.zoo.layout import ALIGNMENT, align, fit, strip_prefix


def network():
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))


def test_a_state_that_fits_is_copied():
    state = {key: torch.randn_like(tensor) for key, tensor in network().state_dict().items()}
    fitted = fit(network(), state)
    assert all(torch.equal(fitted.state_dict()[key], tensor) for key, tensor in state.items())


def test_the_tensors_of_a_mapped_file_are_moved_to_where_torch_would_have_them():
    """Else the same weights give other last bits from an archive than from their checkpoint."""
    net = network()
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    for parameter in net.parameters():
        odd = torch.empty(parameter.numel() + 1)[1:].view_as(parameter)
        parameter.data = odd.copy_(parameter.data)
    assert any(each.data_ptr() % ALIGNMENT for each in net.parameters())
    align(net)
    assert not any(each.data_ptr() % ALIGNMENT for each in net.parameters())
    assert all(torch.equal(net.state_dict()[key], tensor) for key, tensor in before.items())


def test_half_precision_becomes_single():
    state = {key: tensor.half() for key, tensor in network().state_dict().items()}
    assert fit(network(), state)[0].weight.dtype == torch.float32


def test_a_network_on_meta_uses_the_given_tensors():
    state = network().state_dict()
    with torch.device("meta"):
        blank = network()
    assert fit(blank, state)[0].weight.data_ptr() == state["0.weight"].data_ptr()
    with torch.device("meta"):
        blank = network()
    half = {key: tensor.half() for key, tensor in state.items()}
    assert fit(blank, half)[0].weight.dtype == torch.float32


def test_other_networks_copy_the_tensors():
    state = network().state_dict()
    assert fit(network(), state)[0].weight.data_ptr() != state["0.weight"].data_ptr()


def test_every_misfit_is_named():
    state = network().state_dict()
    del state["0.bias"]
    state["2.weight"] = torch.zeros(1)
    state["1.weight"] = torch.zeros(5, 3)
    with pytest.raises(WeightsError) as refused:
        fit(network(), state)
    assert "1 missing: 0.bias" in refused.value.message
    assert "1 not known: 2.weight" in refused.value.message
    assert "1.weight is [5, 3] and must be [4, 3]" in refused.value.message
    assert refused.value.detail["shapes"] == {"1.weight": {"expected": [4, 3], "found": [5, 3]}}


@pytest.mark.parametrize(
    "misfit",
    [
        lambda state: state.pop("0.bias"),
        lambda state: state.update({"2.weight": torch.zeros(1)}),
        lambda state: state.update({"1.weight": torch.zeros(5, 3)}),
    ],
    ids=["missing", "not known", "another shape"],
)
def test_each_misfit_is_refused(misfit):
    state = network().state_dict()
    misfit(state)
    with pytest.raises(WeightsError):
        fit(network(), state)


def test_many_misfits_are_counted_and_the_first_named():
    deep = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(8)))
    with pytest.raises(WeightsError, match=r"8 missing: 0\.weight, .*, and 3 more"):
        fit(deep, {})


def test_a_prefix_is_removed_only_from_all_keys():
    one = torch.zeros(1)
    assert set(strip_prefix({"module.a": one, "module.b": one}, "module.")) == {"a", "b"}
    assert set(strip_prefix({"module.a": one, "b": one}, "module.")) == {"module.a", "b"}
