"""The published networks whose weights can be had: a table, nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keras_openpose.skeletons import COCO_18, Skeleton


@dataclass(frozen=True)
class Preset:
    """Where published weights come from and what they belong to.

    Args:
        name: what `from_preset` calls it.
        network: public function that builds the network.
        arguments: arguments of that function, beside the skeleton.
        skeleton: the people it was trained on.
        source: format of the published file, a module of `converters`.
        urls: addresses of the published file; the first that answers is used.
        sha256: checksum of that file.
        size: its length in bytes.
        licence: licence of the weights.
        ap: published AP in percent.
        ap_protocol: what that AP was measured on, and who says so.
    """

    name: str
    network: str
    skeleton: Skeleton
    source: str
    urls: tuple[str, ...]
    sha256: str
    size: int
    licence: str
    ap: float
    ap_protocol: str
    arguments: Mapping[str, object] = field(default_factory=dict)


_TF_POSE = "master/models/graph/mobilenet_v2_small/graph_opt.pb"

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="mobilenet_v2_small_coco",
            network="mobilenet_openpose",
            arguments={"variant": "v2_small"},
            skeleton=COCO_18,
            source="frozen_graph",
            urls=(
                f"https://raw.githubusercontent.com/ildoonet/tf-pose-estimation/{_TF_POSE}",
                f"https://raw.githubusercontent.com/jiajunhua/ildoonet-tf-pose-estimation/{_TF_POSE}",
            ),
            sha256="428a9d6e7bfc0319e1ce4de8c0191a9111cd281bea6ae2b496fd42c92d574160",
            size=2_096_019,
            licence="Apache-2.0 (tf-pose-estimation, Ildoo Kim)",
            ap=17.3,
            ap_protocol="COCO val2014, one scale, as tf-pose-estimation reports",
        ),
    )
}


def list_presets() -> list[str]:
    """Names of the published weights that `from_preset` loads.

    Returns:
        The names, sorted.

    Example:
        ```python
        from keras_openpose import list_presets

        assert "mobilenet_v2_small_coco" in list_presets()
        ```
    """
    return sorted(PRESETS)
