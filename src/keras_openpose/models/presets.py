"""The published networks whose weights can be had: a table, nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keras_openpose.skeletons import BODY_25, COCO_18, FACE_70, HAND_21, MPI_15, Skeleton


@dataclass(frozen=True)
class Download:
    """An address of a published file.

    Args:
        url: the address.
        checksum: algorithm and digest, `"sha256:…"` or `"md5:…"`, whichever was published; empty if none was.
    """

    url: str
    checksum: str


@dataclass(frozen=True)
class Preset:
    """Where published weights come from and what they belong to.

    Args:
        name: what `from_preset` calls it.
        network: public function that builds the network.
        arguments: arguments of that function, beside the skeleton.
        skeleton: the people it was trained on.
        formats: formats of file that the weights were published in, of which any will do.
        downloads: addresses of such files; the first that answers is used, so HTTPS comes before HTTP and
            SHA-256 before MD5. None for weights that the
            package brings along, in its folder `weights`.
        size: length of the largest in bytes, perhaps rounded up.
        license: license of the weights.
        ap: published AP in percent, None if none was published for these weights.
        ap_protocol: what that AP was measured on, and who says so.
        predict: arguments of `predict_poses` that suit these weights better than its defaults.
        skipped: pattern of the arrays in the files that the network has no place for.
    """

    name: str
    network: str
    skeleton: Skeleton
    formats: str
    downloads: tuple[Download, ...]
    size: int
    license: str
    ap: float | None
    ap_protocol: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    predict: Mapping[str, object] = field(default_factory=dict)
    skipped: str = ""


# What comes with the package and finds people in photographs.
DEFAULT_PRESET = "efficientnet_lite0_coco"

# Whatever a copy says of itself: the license of OpenPose asks this of everything made from its files.
_CMU_LICENSE = "non-commercial research only (OpenPose, Carnegie Mellon University)"
_CMU_FORMATS = "Caffe .caffemodel, PyTorch .pth"


def _cmu(path: str, md5: str) -> tuple[Download, ...]:
    """Addresses of a file of CMU's: of a copy, over HTTPS, and that of OpenPose's models/getModels.sh."""
    folders = (
        "https://huggingface.co/camenduru/openpose/resolve/main/models",
        "http://vcl.snu.ac.kr/OpenPose/models",
    )
    return tuple(Download(f"{folder}/{path}", f"md5:{md5}") for folder in folders)


def _annotator(name: str, sha256: str) -> Download:
    """Address of a file of pytorch-openpose, made from CMU's."""
    return Download(
        f"https://huggingface.co/lllyasviel/Annotators/resolve/main/{name}.pth", f"sha256:{sha256}"
    )


def _tf_pose(name: str, checksum: str) -> tuple[Download, ...]:
    """Addresses of a graph of tf-pose-estimation: its own, which has been gone at times, and of a copy."""
    folders = "ildoonet/tf-pose-estimation", "jiajunhua/ildoonet-tf-pose-estimation"
    path = f"master/models/graph/{name}/graph_opt.pb"
    return tuple(
        Download(f"https://raw.githubusercontent.com/{folder}/{path}", checksum) for folder in folders
    )


_MPI = _cmu("pose/mpi/pose_iter_160000.caffemodel", "2ca0990c7562bd7ae03f3f54afa96e00")
_LIGHTWEIGHT = Preset(
    name="lightweight_coco",
    network="lightweight_openpose",
    skeleton=COCO_18,
    formats="PyTorch .pth",
    downloads=(
        Download(
            "https://download.01.org/opencv/openvino_training_extensions/models/human_pose_estimation/"
            "checkpoint_iter_370000.pth",
            "sha256:517c86f769c6636583083f1467e3d212a0006c27109edb3aeffc19a79622d411",
        ),
    ),
    size=88_000_000,
    license="Apache-2.0 (Lightweight OpenPose, Daniil Osokin)",
    ap=40.0,
    ap_protocol="COCO val2017, one scale of height 368, as its README reports",
    skipped=r"refinement_stages\.[12]\..*",
)

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="openpose_vgg19_coco",
            network="openpose",
            skeleton=COCO_18,
            formats=_CMU_FORMATS,
            downloads=(
                _annotator(
                    "body_pose_model", "25a948c16078b0f08e236bda51a385d855ef4c153598947c28c0d47ed94bb746"
                ),
                *_cmu("pose/coco/pose_iter_440000.caffemodel", "5156d31f670511fce9b4e28b403f2939"),
            ),
            size=209_274_056,
            license=_CMU_LICENSE,
            ap=58.4,
            ap_protocol="COCO val2014, scales 0.5 to 2, CMU's Matlab code, as tf-pose-estimation quotes it",
        ),
        Preset(
            name="openpose_vgg19_mpi",
            network="openpose",
            skeleton=MPI_15,
            formats=_CMU_FORMATS,
            downloads=_MPI,
            size=206_000_000,
            license=_CMU_LICENSE,
            ap=None,
            ap_protocol="none published for COCO: trained on MPII",
        ),
        Preset(
            name="openpose_vgg19_mpi_4_stages",
            network="openpose",
            arguments={"num_stages": 4},
            skeleton=MPI_15,
            formats=_CMU_FORMATS,
            downloads=_MPI,
            size=206_000_000,
            license=_CMU_LICENSE,
            ap=None,
            ap_protocol="none published for COCO: trained on MPII",
            skipped=r"Mconv\d_stage[56]_L[12]\.(weight|bias)",
        ),
        Preset(
            name="body_25",
            network="body_25",
            skeleton=BODY_25,
            formats=_CMU_FORMATS,
            downloads=_cmu("pose/body_25/pose_iter_584000.caffemodel", "78287b57cf85fa89c03f1393d368e5b7"),
            size=104_715_850,
            license=_CMU_LICENSE,
            ap=None,
            ap_protocol="none published for these weights on COCO val",
        ),
        Preset(
            name="hand_21",
            network="hand_openpose",
            skeleton=HAND_21,
            formats=_CMU_FORMATS,
            downloads=(
                _annotator(
                    "hand_pose_model", "b76b00d1750901abd07b9f9d8c98cc3385b8fe834a26d4b4f0aad439e75fc600"
                ),
                *_cmu("hand/pose_iter_102000.caffemodel", "a82cfc3fea7c62f159e11bd3674c1531"),
            ),
            size=147_400_000,
            license=_CMU_LICENSE,
            ap=None,
            ap_protocol="none: COCO's keypoints have no hands",
        ),
        Preset(
            name="face_70",
            network="face_openpose",
            skeleton=FACE_70,
            formats=_CMU_FORMATS,
            downloads=(
                _annotator("facenet", "8beb52e548624ffcc4aed12af7aee7dcbfaeea420c75609fee999fe7add79d43"),
                *_cmu("face/pose_iter_116000.caffemodel", "e747180d728fa4e4418c465828384333"),
            ),
            size=153_800_000,
            license=_CMU_LICENSE,
            ap=None,
            ap_protocol="none: COCO's keypoints have no faces",
        ),
        _LIGHTWEIGHT,
        replace(
            _LIGHTWEIGHT,
            name="lightweight_coco_3_stages",
            arguments={"num_refinement_stages": 3},
            ap=None,
            ap_protocol="none published: the README's figure is of one refinement stage",
            skipped="",
        ),
        Preset(
            name="demo_synthetic",
            network="compact_openpose",
            skeleton=COCO_18,
            formats="part of the package, made by examples/train_demo.py",
            downloads=(),
            size=2_565_592,
            license="Apache-2.0 (keras-openpose)",
            ap=71.0,
            ap_protocol="200 scenes of `synthetic_people`, mirrored, refined, smoothed; no photographs",
            predict={"input_size": (384, 384), "heatmap_sigma": 0.5, "peak_weight": 0.75},
        ),
        Preset(
            name=DEFAULT_PRESET,
            network="efficientnet_openpose",
            skeleton=COCO_18,
            formats="part of the package, made by examples/train_photographs.py",
            downloads=(),
            size=6_000_000,
            license="Apache-2.0 (keras-openpose)",
            ap=22.1,
            ap_protocol="335 photographs of COCO val2017, others of which were trained on, one look",
            # Chosen by benchmarks/tune.py on photographs of its training, and so that false positives are
            # as rare as those of mobilenet_v2_small_coco: docs/model_card.md.
            predict={"heatmap_sigma": 0.5, "peak_weight": 0.75, "min_score": 0.6},
        ),
        Preset(
            name="mobilenet_thin_coco",
            network="mobilenet_openpose",
            arguments={"variant": "thin"},
            skeleton=COCO_18,
            formats="TensorFlow graph .pb",
            downloads=_tf_pose("mobilenet_thin", ""),
            size=7_600_000,
            license="Apache-2.0 (tf-pose-estimation, Ildoo Kim)",
            ap=28.1,
            ap_protocol="COCO val2014, one scale, as tf-pose-estimation reports",
        ),
        Preset(
            name="mobilenet_v2_large_coco",
            network="mobilenet_openpose",
            arguments={"variant": "v2_large"},
            skeleton=COCO_18,
            formats="TensorFlow graph .pb",
            downloads=_tf_pose("mobilenet_v2_large", ""),
            size=9_000_000,
            license="Apache-2.0 (tf-pose-estimation, Ildoo Kim)",
            ap=31.3,
            ap_protocol="COCO val2014, one scale, as tf-pose-estimation reports",
        ),
        Preset(
            name="mobilenet_v2_small_coco",
            network="mobilenet_openpose",
            arguments={"variant": "v2_small"},
            skeleton=COCO_18,
            formats="TensorFlow graph .pb",
            downloads=_tf_pose(
                "mobilenet_v2_small",
                "sha256:428a9d6e7bfc0319e1ce4de8c0191a9111cd281bea6ae2b496fd42c92d574160",
            ),
            size=2_096_019,
            license="Apache-2.0 (tf-pose-estimation, Ildoo Kim)",
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
