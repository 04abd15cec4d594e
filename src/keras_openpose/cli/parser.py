"""Commands, flags and their help."""

import argparse
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Sequence

from keras_openpose import __version__
from keras_openpose.inference.decoding import decode_poses
from keras_openpose.inference.predict import QUALITIES

_EXAMPLES = {
    "demo": "keras-openpose demo --output pictures",
    "detect": """
        keras-openpose detect photo.jpg --output found
        keras-openpose detect holiday/ clip.mp4 --model my.keras --output found --json openpose
        keras-openpose detect crowd.jpg --quality best
        keras-openpose detect 0 --model network.tflite --show
        keras-openpose detect photo.jpg --preset body_25 --hands --face --output found
    """,
    "evaluate": """
        keras-openpose evaluate coco/val2017 coco/annotations/person_keypoints_val2017.json \\
            --quality best
    """,
    "export": """
        keras-openpose export network.tflite --size 368 432
        keras-openpose export network.onnx --model my.keras
        keras-openpose export small.tflite --model my.keras --size 368 368 --precision int8 \\
            --calibration photos/
    """,
    "convert": """
        keras-openpose convert pose_iter_440000.caffemodel --preset openpose_vgg19_coco -o openpose.keras
    """,
    "presets": "keras-openpose presets",
    "train": """
        keras-openpose train coco/train2017 coco/annotations/person_keypoints_train2017.json \\
            --backbone vgg19 --output run \\
            --validation coco/val2017 coco/annotations/person_keypoints_val2017.json
    """,
}


def _number(kind: type, *, least: float = -math.inf, above: float = -math.inf, most: float = math.inf):
    """A type for the parser: finite numbers, from a least one on or above a limit, up to the most."""
    rule = "a whole number" if kind is int else "a number"
    rule += f" above {above}" if above > least else f" of at least {least}"
    rule += f" and at most {most}" if most < math.inf else ""

    def parse(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (least <= value <= most and above < value < math.inf):
            raise argparse.ArgumentTypeError(f"must be {rule}. Received: {text!r}")
        return value

    return parse


_COUNT, _WHOLE, _LENGTH = _number(int, least=1), _number(int, least=0), _number(int, least=16)
_POSITIVE, _AT_LEAST_0 = _number(float, above=0), _number(float, least=0)
_SEED = _number(int, least=0, most=2**32 - 1)  # what NumPy takes

# Arguments of `decode_poses` that are flags; a network's stride is its own.
_DECODING = {
    name: parameter
    for name, parameter in inspect.signature(decode_poses).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and name not in ("skeleton", "stride")
}
PREDICT_OPTIONS = ("input_size", "quality", "scales", "flip", "refine", "batch_size", *_DECODING)

# Defaults of `train` for a network that is yet to be trained.
NEW_WEIGHTS, NEW_STAGES, NEW_DTYPE = "imagenet", 6, "float32"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The flags, and the name of the command as `command`. Exits with code 2 on a mistake."""
    options = _make_parser().parse_args(arguments)
    if getattr(options, "file", None) and not options.preset:
        options.parser.error("--file needs --preset; a network saved as .keras is named by --model alone")
    if options.command == "train":
        _refuse_without_effect(options)
    for part in ("hands", "face"):
        if getattr(options, f"{part}_file", None) and not getattr(options, part):
            options.parser.error(f"--{part}-file needs --{part}")
    if getattr(options, "json", None) and not options.output:
        options.parser.error("--json needs --output, the folder to write to")
    if getattr(options, "background", None) == "black" and not (options.output or options.show):
        options.parser.error("--background needs --output or --show")
    return options


def _refuse_without_effect(options: argparse.Namespace):
    for flag, networks in (
        ("weights", ("preset", "model")),
        ("stages", ("preset", "model")),
        ("dtype", ("model",)),  # whose file says its own, while that of a preset is built anew
    ):
        for network in networks:
            if getattr(options, flag) and getattr(options, network):
                options.parser.error(f"--{flag} has no effect with --{network}")


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keras-openpose",
        description="Find people and their keypoints in photographs and videos.",
        epilog=_epilog(*_EXAMPLES.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"keras-openpose {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_detect(commands)
    _add_evaluate(commands)
    _add_export(commands)
    _add_train(commands)
    _add_convert(commands)
    _add_command(commands, "presets", "list the published weights: network, size, license, AP")
    _add_demo(commands)
    return parser


def _epilog(*examples: str) -> str:
    lines = (textwrap.indent(textwrap.dedent(example).strip(), "  ") for example in examples)
    return "examples:\n" + "\n".join(lines)


def _add_command(commands, name: str, summary: str, description: str = "") -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=description or f"{summary[0].upper()}{summary[1:]}.",
        epilog=_epilog(_EXAMPLES[name]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(parser=parser)
    return parser


def _add_detect(commands):
    parser = _add_command(
        commands,
        "detect",
        "find people in images, folders, videos, cameras and streams",
        "Find people in images, folders, videos, cameras and streams. Prints a line for each file; with\n"
        "--output also writes pictures, videos and JSON. People of a video keep their ids.",
    )
    path_help = "image, video, folder of both, number of a camera, or address of a stream (rtsp://...)"
    parser.add_argument("paths", nargs="+", metavar="PATH", help=path_help)
    _add_network(parser)
    _add_skeleton(parser, "the network's own")
    _add_hands_and_face(parser)
    _add_predict(parser)
    output = parser.add_argument_group("results")
    output.add_argument("--output", metavar="DIR", help="write drawn images and videos to this folder")
    json_help = "write the people too: a file for each image or frame as OpenPose does, or one results.json"
    output.add_argument("--show", action="store_true", help="show it in a window; q or Esc ends a video")
    smooth_help = "calm the keypoints of videos by the one-euro filter"
    output.add_argument("--smooth", action="store_true", help=smooth_help)
    output.add_argument("--json", choices=("openpose", "coco"), help=json_help)
    backgrounds, background_help = ("image", "black"), "draw on the image or on black"
    output.add_argument("--background", choices=backgrounds, default="image", help=background_help)


def _add_evaluate(commands):
    parser = _add_command(
        commands,
        "evaluate",
        "measure AP on COCO keypoint labels",
        "Measure a network on COCO keypoint labels, over every image of the file: ten figures in percent.",
    )
    parser.add_argument("images", metavar="IMAGES", help="folder of the photographs, such as coco/val2017")
    parser.add_argument("annotations", metavar="ANNOTATIONS", help="person_keypoints_*.json")
    _add_network(parser)
    _add_skeleton(parser, "the network's own")
    _add_predict(parser)
    parser.add_argument("--results", metavar="FILE", help="write the people found, as COCO results")


def _add_export(commands):
    parser = _add_command(
        commands,
        "export",
        "write a network as ONNX, LiteRT, OpenVINO or SavedModel",
        "Write a network for a runtime other than Keras: ONNX (.onnx), LiteRT (.tflite), OpenVINO (.xml)\n"
        "or, as a folder, SavedModel. `detect` and `evaluate` take the result as --model.",
    )
    parser.add_argument("path", metavar="PATH", help="what to write; its end says the format")
    _add_network(parser)
    group = parser.add_argument_group("form", argument_default=argparse.SUPPRESS)
    size_help = "height and width of the one image that it takes (default: batches of any size)"
    group.add_argument("--size", type=_LENGTH, nargs=2, metavar=("H", "W"), help=size_help)
    precision_help = "float16 and int8 are for LiteRT (default: float32)"
    group.add_argument(
        "--precision", default="float32", choices=("float32", "float16", "int8"), help=precision_help
    )
    calibration_help = "folder of photographs, for int8"
    group.add_argument("--calibration", metavar="DIR", help=calibration_help)


def _add_convert(commands):
    parser = _add_command(
        commands,
        "convert",
        "turn a published file of weights into one of Keras's own",
        "Turn a published file of weights, recognised by its content, into one of Keras's own.",
    )
    parser.add_argument("source", metavar="SOURCE", help=".caffemodel, .pth or .pb")
    preset_help = "whose weights they are, one of `keras-openpose presets`"
    parser.add_argument("--preset", metavar="NAME", required=True, help=preset_help)
    output_help = "the network (.keras), or its weights alone (.weights.h5)"
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help=output_help)


def _add_train(commands):
    parser = _add_command(
        commands,
        "train",
        "train a network on COCO keypoint labels",
        "Train a network on COCO keypoint labels. Interrupted, and started again with the same command, it\n"
        "goes on from the last epoch that ended.",
    )
    parser.add_argument("images", metavar="IMAGES", help="folder of the photographs, such as coco/train2017")
    parser.add_argument("annotations", metavar="ANNOTATIONS", help="person_keypoints_*.json")
    also_help = "more photographs and their labels, of the same keypoints; may be given again"
    parser.add_argument("--also", nargs=2, action="append", metavar=("IMAGES", "ANNOTATIONS"), help=also_help)
    output_help = "folder for logs, backups, weights and, in the end, model.keras"
    parser.add_argument("--output", metavar="DIR", required=True, help=output_help)
    _add_network(parser, _add_new_network)
    _add_skeleton(parser, "the preset's or model's own, else that of the labels")
    _add_recipe(parser)
    data = parser.add_argument_group("data")
    add = data.add_argument
    size_help = "of the training crops, multiples of 16 (default: 368 368)"
    add("--input-size", type=_LENGTH, nargs=2, default=(368, 368), metavar=("H", "W"), help=size_help)
    add("--batch-size", type=_COUNT, default=8, metavar="N", help="crops in a step (default: 8)")
    error_help = "what unreadable photographs and faulty labels do (default: raise)"
    add("--on-error", choices=("raise", "skip"), default="raise", help=error_help)
    add("--seed", type=_SEED, default=0, metavar="N", help="of weights, order and augmentation (default: 0)")
    validation_help = "measure on these; writes best.weights.h5"
    add("--validation", nargs=2, metavar=("IMAGES", "ANNOTATIONS"), help=validation_help)
    add("--validate-every", type=_COUNT, default=1, metavar="N", help="epochs between (default: 1)")


def _add_new_network(group, one):
    """The network may also be one that is yet to be trained."""
    one.add_argument("--backbone", default="vgg19", metavar="NAME", help="of a new network (default: vgg19)")
    # No defaults here, to know what was given.
    weights_help = "of a new network: imagenet (default), none for random ones, or a file"
    group.add_argument("--weights", metavar="WHICH", help=weights_help)
    group.add_argument("--stages", type=_COUNT, metavar="N", help="of a new network (default: 6)")
    types = ("float32", "mixed_bfloat16", "mixed_float16")
    dtype_help = "precision of a new network or a preset (default: float32)"
    group.add_argument("--dtype", choices=types, help=dtype_help)


def _add_recipe(parser: argparse.ArgumentParser):
    """Arguments of `train` and `make_optimizer`; those not given keep their defaults there."""
    group = parser.add_argument_group("recipe")
    add = group.add_argument
    add("--steps", type=_COUNT, default=100_000, metavar="N", help="how long (default: 100000)")
    epoch_help = "steps between backups, an epoch (default: 1000)"
    add("--steps-per-epoch", type=_COUNT, default=1000, metavar="N", help=epoch_help)
    add("--optimizer", choices=("adamw", "sgd"), default="adamw", help="(default: adamw)")
    freeze_help = "steps before, with it frozen (default: 0)"
    add("--freeze-backbone", type=_WHOLE, default=0, metavar="N", help=freeze_help)
    add("--tensorboard", action="store_true", help="write logs for TensorBoard too")
    group = parser.add_argument_group("optimizer", argument_default=argparse.SUPPRESS)
    add = group.add_argument
    add("--learning-rate", type=_POSITIVE, metavar="R", help="the highest (default: adamw 5e-4, sgd 4e-5)")
    schedules = ("cosine", "step", "constant")
    add("--schedule", choices=schedules, help="how the learning rate falls (default: cosine)")
    warmup_help = "steps of rising (default: a twentieth of all, at most 1000)"
    add("--warmup-steps", type=_WHOLE, metavar="N", help=warmup_help)
    add("--weight-decay", type=_AT_LEAST_0, metavar="D", help="of kernels (default: adamw 1e-4, sgd 5e-4)")
    add("--clipnorm", type=_POSITIVE, metavar="X", help="largest norm of the gradients (default: none)")
    add("--ema", type=_POSITIVE, metavar="M", help="average the weights, such as 0.999 (default: no)")


def _add_demo(commands):
    parser = _add_command(
        commands,
        "demo",
        "draw people, find them, measure and show it; needs no download",
        "Draw scenes of synthetic people, find the people in them, and write pictures of every step.\n"
        "Needs no download.",
    )
    add = parser.add_argument
    folder = "keras-openpose-demo"
    add("--output", metavar="DIR", default=folder, help=f"folder for the pictures (default: {folder})")
    add("--scenes", type=_COUNT, default=50, metavar="N", help="how many scenes (default: 50)")


def _add_network(parser: argparse.ArgumentParser, add_new: Callable | None = None):
    group = parser.add_argument_group("network")
    one = group.add_mutually_exclusive_group()
    preset_help = "trained weights, one of `keras-openpose presets`"
    preset_help += "" if add_new else " (default: the one that comes with the package)"
    one.add_argument("--preset", metavar="NAME", help=preset_help)
    one.add_argument("--model", metavar="FILE", help="a network saved as .keras, or exported")
    file_help = "with --preset, the published file if you have it; else it is downloaded"
    group.add_argument("--file", metavar="FILE", help=file_help)
    if add_new:
        add_new(group, one)


def _add_skeleton(parser: argparse.ArgumentParser, default: str):
    skeleton_help = (
        "COCO_18, BODY_25, MPI_15, HAND_21, FACE_70, or a JSON file of a skeleton or of COCO labels"
    )
    parser.add_argument("--skeleton", metavar="WHOSE", help=f"{skeleton_help} (default: {default})")


def _add_hands_and_face(parser: argparse.ArgumentParser):
    group = parser.add_argument_group("hands and faces")
    for part, preset in (("hands", "hand_21"), ("face", "face_70")):
        look_help = f"look at the {part} of everybody, too, with the weights {preset}, which are downloaded"
        group.add_argument(f"--{part}", action="store_true", help=look_help)
        file_help = f"the published file of {preset} if you have it, or a network of one's own"
        group.add_argument(f"--{part}-file", metavar="FILE", help=file_help)


def _add_predict(parser: argparse.ArgumentParser):
    """Arguments of `predict_poses`. Those not given are left out of the result: the defaults are there."""
    about = "The defaults of thresholds are those of decode_poses; a preset may have its own."
    group = parser.add_argument_group("finding people", about, argument_default=argparse.SUPPRESS)
    size_help = "height and width that images are fitted into (default: the network's own, else 368 432)"
    quality_help = "fast is one pass, balanced costs about 6 and best about 50 times as much (default: fast)"
    scales_help = "sizes to look at, as factors, averaged (default: those of the quality)"
    group.add_argument("--input-size", type=_LENGTH, nargs=2, metavar=("H", "W"), help=size_help)
    group.add_argument("--quality", choices=tuple(QUALITIES), help=quality_help)
    group.add_argument("--scales", type=_POSITIVE, nargs="+", metavar="S", help=scales_help)
    group.add_argument("--flip", action="store_true", help="average the mirrored image in")
    group.add_argument("--refine", action="store_true", help="look at each person found again, enlarged")
    for name, parameter in _DECODING.items():
        kind, metavar = (_COUNT, "N") if "int" in str(parameter.annotation) else (_AT_LEAST_0, "X")
        default = "all" if parameter.default is None else parameter.default
        text = f"{_about(decode_poses, name)} (default: {default})"
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=text)
    group.add_argument(
        "--batch-size", type=_COUNT, default=8, metavar="N", help="images at a time (default: 8)"
    )


def _about(function: Callable, argument: str) -> str:
    """The first sentence of what a docstring says of an argument, as `argparse` takes it."""
    lines = inspect.getdoc(function) or ""
    (text, *_) = re.findall(rf"^    {argument}: (.*?)\.\s", lines, re.MULTILINE | re.DOTALL)
    return " ".join(text.split()).replace("%", "%%").replace("`", "")
