"""Devices of JAX by the names that options use, and arrays on their way from and to PyTorch."""

from typing import Any

import jax
import numpy as np
import torch
from torch import Tensor

from vog.errors import ModelError
from vog.wording import option


def choose_device(name: str) -> Any:
    """Return the device of that name; "auto" is the first one that JAX has.

    Raises:
        ModelError: it is no device, or JAX does not have it.
    """
    if name == "auto":
        return jax.devices()[0]
    setting, (kind, _, number) = option("device", name), name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise ModelError(f"{setting}: expected auto, cpu, cuda or cuda:i.")
    try:
        devices = jax.devices(kind)
    except RuntimeError as error:
        raise ModelError(
            f"{setting}: JAX has no such device here; it has {_names(jax.devices())}. Use "
            f"{option('device', 'cpu')}, or install JAX for CUDA."
        ) from error
    index = int(number or 0)
    if index >= len(devices):
        raise ModelError(f"{setting}: JAX has {_names(devices)}. Use one of them.")
    return devices[index]


def _names(devices: Any) -> str:
    return ", ".join(str(device) for device in devices)


def torch_device(device: Any) -> torch.device:
    """Return where PyTorch has the values of a device: there, or on the processor."""
    if device.platform in ("gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", device.local_hardware_id)
    return torch.device("cpu")


def to_jax(tensor: Tensor, device: Any) -> Any:
    """Return a tensor as an array of JAX on a device."""
    if tensor.device.type == "cpu":
        return jax.device_put(tensor.detach().numpy(), device)
    return jax.device_put(jax.dlpack.from_dlpack(tensor.detach().contiguous()), device)


def to_torch(array: Any) -> Tensor:
    """Return an array of JAX as a tensor in float32 that may be changed."""
    (device,) = array.devices()
    if torch_device(device).type == "cuda":
        return torch.from_dlpack(array).clone().float()
    return torch.from_numpy(np.array(array, np.float32))
