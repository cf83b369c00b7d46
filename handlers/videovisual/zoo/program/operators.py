"""The operators that a program may call.

A program comes from a file, so each name is looked up here and nowhere else. Left out is what reads
or writes files, returns memory that was not written, draws random numbers, or takes its shape from
values.
"""

import math
import operator as python
from collections.abc import Callable, Mapping
from typing import Any

import torch

from videovisual.errors import WeightsError
from videovisual.utils.text import shown

ATEN = "torch.ops.aten."

_TENSOR_OPERATORS = """
    __and__ __lshift__ __or__ __rshift__ __xor__
    _adaptive_avg_pool2d _adaptive_avg_pool3d _convolution _fft_c2c _fft_c2r _fft_r2c _log_softmax
    _native_batch_norm_legit_no_training _safe_softmax _softmax _to_copy _unsafe_index _unsafe_view
    _upsample_bicubic2d_aa _upsample_bilinear2d_aa
    _weight_norm abs acos acosh adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d add addbmm addcdiv addcmul addmm
    alias alpha_dropout amax amin aminmax any all arange argmax argmin argsort asin asinh atan atan2
    atanh avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm bilinear bitwise_and
    bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor bmm broadcast_tensors
    broadcast_to bucketize cat cdist ceil celu channel_shuffle chunk clamp clamp_max clamp_min clip
    clone complex concat concatenate constant_pad_nd contiguous conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d convolution copy copysign cos cosh
    cosine_similarity count_nonzero cross cummax cummin cumprod cumsum deg2rad detach diag_embed
    diagonal diff dist div divide dot dropout einsum elu embedding eq erf erfc erfinv exp exp2
    expand expand_as expm1 eye feature_alpha_dropout feature_dropout fft_fft fft_fft2 fft_fftn
    fft_fftshift fft_ifft fft_ifft2 fft_ifftn fft_ifftshift fft_irfft fft_irfft2 fft_irfftn fft_rfft
    fft_rfft2 fft_rfftn fill fix flatten flip fliplr flipud float_power floor floor_divide fmax fmin
    fmod frac frobenius_norm full full_like gather ge gelu glu greater greater_equal grid_sampler
    grid_sampler_2d grid_sampler_3d group_norm gt hann_window hardshrink hardsigmoid hardswish
    hardtanh heaviside hypot im2col imag index index_add index_copy index_fill index_put
    index_select inner instance_norm isclose isfinite isinf isnan isneginf isposinf kron kthvalue
    layer_norm le leaky_relu lerp less less_equal lift_fresh_copy linalg_norm linalg_vector_norm
    linear linspace log log10 log1p log2 log_sigmoid log_softmax logaddexp logcumsumexp logical_and
    logical_not logical_or logical_xor logit logsumexp lt masked_fill matmul max max_pool1d
    max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices maximum mean median
    meshgrid min minimum mish mm moveaxis movedim mul multiply mv nan_to_num nanmean nansum narrow
    native_group_norm native_layer_norm ne neg negative new_full new_ones new_zeros norm not_equal
    numpy_T one_hot ones ones_like outer pad pairwise_distance permute pixel_shuffle pixel_unshuffle
    polar positive pow prelu prod rad2deg real reciprocal reflection_pad1d reflection_pad2d
    reflection_pad3d relu relu6 remainder repeat repeat_interleave replication_pad1d
    replication_pad2d replication_pad3d reshape reshape_as rms_norm roll rot90 round rrelu rsqrt
    rsub scalar_tensor scaled_dot_product_attention scatter scatter_add scatter_reduce searchsorted
    select select_scatter selu sgn sigmoid sign silu sin sinc sinh slice slice_scatter softmax
    softplus softshrink sort special_erf special_expit special_expm1 special_log1p
    special_log_softmax special_logit special_logsumexp special_softmax split split_with_sizes sqrt
    square squeeze stack std std_mean sub subtract sum swapaxes swapdims t take_along_dim tan tanh
    tensor_split tensordot threshold tile to topk transpose tril triu true_divide trunc type_as
    unbind unflatten unfold unsafe_chunk unsafe_split unsafe_split_with_sizes unsqueeze
    upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d
    upsample_nearest3d upsample_trilinear3d var var_mean vdot view view_as view_as_complex
    view_as_real where xlogy zero zeros zeros_like
"""
TENSOR_OPERATORS = frozenset(_TENSOR_OPERATORS.split())
"""Names in `torch.ops.aten`, without the `_` of their in-place forms."""

LARGEST_SIZE = 2**62


def _size(compute: Callable[..., Any]) -> Callable[..., Any]:
    def bounded(*arguments: Any) -> Any:
        result = compute(*arguments)
        # Products of products would soon fill the memory with one number.
        if abs(result) > LARGEST_SIZE:
            raise WeightsError(
                "The exported program computes a size that no tensor can have. Export it again."
            )
        return result

    return bounded


SIZE_OPERATORS: Mapping[str, Callable[..., Any]] = {
    f"{ATEN}sym_size.int": lambda tensor, dim: tensor.shape[dim],
    f"{ATEN}sym_numel.default": lambda tensor: tensor.numel(),
    "_operator.add": _size(python.add),
    "_operator.sub": _size(python.sub),
    "_operator.mul": _size(python.mul),
    "_operator.floordiv": _size(python.floordiv),
    "_operator.truediv": _size(python.truediv),
    "_operator.mod": _size(python.mod),
    "_operator.neg": python.neg,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.trunc": math.trunc,
    "torch.sym_float": float,
    "torch.sym_int": int,
    "torch.sym_max": max,
    "torch.sym_min": min,
}
"""Functions of the numbers that a program computes from the shape of its input."""

_CHECKS = """
    _assert_async _assert_scalar _assert_tensor_metadata _functional_assert_async
    _functional_assert_scalar sym_constrain_range sym_constrain_range_for_size
"""
CHECKS = frozenset(_CHECKS.split())
"""Names in `torch.ops.aten` that compute nothing; among them is the check of an input's dtype."""


def name_of(target: str) -> str:
    """The operator's name in `torch.ops.aten`, without its overload; empty for others."""
    return target.removeprefix(ATEN).partition(".")[0] if target.startswith(ATEN) else ""


def is_check(target: str) -> bool:
    """Whether a call only checks its arguments."""
    return name_of(target) in CHECKS


def changes_argument(target: str) -> bool:
    """Whether a call writes into its first argument, as `relu_` does."""
    return _is_in_place(name_of(target))


def find(target: str) -> Callable[..., Any]:
    """The function of a call.

    Args:
        target: as in an exported program: `torch.ops.aten.NAME.OVERLOAD`, or a key of
            `SIZE_OPERATORS`.

    Raises:
        WeightsError: a program may not call it, or this version of PyTorch doesn't have it.
    """
    size = SIZE_OPERATORS.get(target)
    if size is not None:
        return size
    name = name_of(target)
    overload = target.removeprefix(f"{ATEN}{name}.")
    plain = name.removesuffix("_") if _is_in_place(name) else name
    found = _overload(name, overload) if plain in TENSOR_OPERATORS else None
    if found is None:
        raise WeightsError(
            f"The exported program calls {shown(target)!r}, which no program may: it is none of "
            "PyTorch's own operators, or it reads files, draws random numbers, or takes shapes "
            "from values. Export the network without it, in evaluation mode.",
            operator=shown(target),
        )
    return found


def _overload(name: str, overload: str) -> Callable[..., Any] | None:
    packet = getattr(torch.ops.aten, name, None)
    if packet is None or overload not in packet.overloads():
        return None
    found: Callable[..., Any] = getattr(packet, overload)
    # Overloads such as `add.out` write into an argument of any name.
    writes: bool = found._schema.is_mutable  # type: ignore[attr-defined]
    return None if writes and not _is_in_place(name) else found


def _is_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")
